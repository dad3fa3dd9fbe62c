# A suite is made of assertions, "expected == actual", though it stands outside the tests.
# ruff: noqa: S101

"""What every processor knows of customers: part of the contract, in a file of its own."""

import pytest

from processors.base import Misconfigured, NotFound, Rejected
from processors.contract_lists import ListsContract
from processors.contract_stage import Stage


class CustomersContract(ListsContract):
    """An app may name a customer that was made elsewhere: then it must be one."""

    def test_a_customer_is_known_by_its_uri(self, stage: Stage) -> None:
        """The uri comes back as the processor writes it."""
        made = stage.customer("contract-known")

        found = stage.processor.customer(account=stage.account, uri=made)

        assert made == found

    def test_what_is_no_customer_is_refused(self, stage: Stage) -> None:
        """No text from outside reaches a path."""
        for uri in (stage.card(), "/customers", "customers/CU1", "/customers/../debits"):
            with pytest.raises((Rejected, NotFound)):
                stage.processor.customer(account=stage.account, uri=uri)

    def test_customers_are_looked_up_with_a_good_secret(self, stage: Stage) -> None:
        """Nobody learns of another account's customers."""
        made = stage.customer("contract-secret")

        with pytest.raises(Misconfigured):
            stage.processor.customer(account=stage.bad_account(), uri=made)
