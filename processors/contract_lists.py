# A suite is made of assertions, "expected == actual", though it stands outside the tests.
# ruff: noqa: S101, SIM300

"""What every processor's lists hold: part of the contract, in a file of its own for its length."""

from datetime import UTC, datetime

import pytest

from processors.base import Kind, Misconfigured, Status
from processors.contract_stage import Stage

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
FAR_AHEAD = datetime(9000, 1, 1, tzinfo=UTC)


class ListsContract:
    """After a database was set back, these lists are all that is left of what was paid."""

    @pytest.mark.parametrize("kind", list(Kind))
    def test_a_list_holds_what_was_made_of_its_kind(self, stage: Stage, kind: Kind) -> None:
        """Each with the key by which it is known again."""
        order = stage.any_order(kind)
        receipt = stage.processor.submit(order)

        listed = [*stage.processor.listed(account=stage.account, kind=kind)]

        assert receipt == listed[0]
        assert order.key == listed[0].key
        assert {kind} == {each.kind for each in listed}

    def test_a_list_has_every_page_and_every_status_newest_first(self, stage: Stage) -> None:
        """One that left a decline out would let it be tried anew."""
        made = [stage.debit() for _ in range(12)]
        made.append(stage.processor.submit(stage.order(Kind.DEBIT, stage.declining_card())))
        made.append(stage.processor.submit(stage.order(Kind.DEBIT, stage.pending_bank_account())))
        made += [stage.debit() for _ in range(109)]

        listed = [*stage.processor.listed(account=stage.account, kind=Kind.DEBIT)]

        assert [each.uri for each in reversed(made)] == [each.uri for each in listed]
        assert set(Status) == {each.status for each in listed}

    def test_a_list_may_begin_at_an_instant(self, stage: Stage) -> None:
        """What is older is left out, and nothing else."""
        receipt = stage.debit()

        old, new = (
            [*stage.processor.listed(account=stage.account, kind=Kind.DEBIT, since=since)]
            for since in (LONG_AGO, FAR_AHEAD)
        )

        assert [receipt] == old
        assert [] == new

    def test_a_list_is_of_one_account(self, stage: Stage) -> None:
        """Tenants see nothing of each other."""
        stage.debit()
        other = stage.processor.open_account(url=stage.account.url)

        assert [] == [*stage.processor.listed(account=other, kind=Kind.DEBIT)]

    def test_a_list_needs_a_good_secret(self, stage: Stage) -> None:
        """An empty list would say that nothing was ever paid."""
        with pytest.raises(Misconfigured):
            [*stage.processor.listed(account=stage.bad_account(), kind=Kind.DEBIT)]
