"""What people do, and what befalls them, on certain days of the year."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from billy.demo.cast import ENDS_AT, SHOPPERS, STARTS_AT
from billy.demo.year import Happening
from billy.front import record_usage
from core.money import Money
from invoices import refund
from invoices.models import AuditFeed, Transaction

if TYPE_CHECKING:
    from collections.abc import Callable

    from billy.demo.cast import Cast
    from billy.demo.desk import Desk
    from billy.demo.narrator import Narrator
    from billy.demo.year import Year

EARLY, NOON = 3, 12  # Hours: before the charges of a day, which run at four, and after them.
FIRST_GIGABYTES, MORE_GIGABYTES = 150, 7  # Of the first week, and more with each week.


class Days:
    """The days on which the story turns."""

    def __init__(self, cast: Cast, *, year: Year, narrator: Narrator, desk: Desk) -> None:
        """Know the people, and where to act."""
        self._cast = cast
        self._year = year
        self._tell = narrator
        self._desk = desk

    def happenings(self) -> list[Happening]:
        """Return all that happens, in no order."""
        return [
            *(Happening(at=at, act=self._report_usage(at, week)) for week, at in fridays()),
            _on(1, 1, EARLY, self._the_shop_opens),
            _on(1, 31, NOON, self._the_last_of_january),
            _on(4, 1, EARLY, self._daves_account_is_empty),
            _on(6, 20, NOON, self._alice_wants_her_money_back),
            _on(8, 10, NOON, self._bobs_bank_takes_it_back),
        ]

    def _the_shop_opens(self) -> None:
        trial = self._cast.silver.trial_ends_at or STARTS_AT
        self._tell.say(
            f"Alice takes the goat - silver: free until {trial.day} {trial:%B}, then $1.00 "
            f"every three months. {SHOPPERS} shoppers and Dave take the goat - gold, $29.00 "
            "a month; one more shopper comes each month."
        )

    def _the_last_of_january(self) -> None:
        coming = self._cast.storage.timer()
        days = [coming.occurrence(number) for number in (1, 2, 3)]
        listed = ", ".join(f"{at.day} {at:%b}" for at in days)
        self._tell.say(
            "Erin's storage is metered by the month. It began on the last of January, so it is "
            f"billed on {listed} and so on: counted from the start, it never drifts."
        )

    def _daves_account_is_empty(self) -> None:
        self._desk.decline(self._cast.daves_card, times=2, reason="Insufficient funds.")

    def _alice_wants_her_money_back(self) -> None:
        feed = AuditFeed.objects.filter(customer=self._cast.people["Alice"], total__gt=0).latest(
            "due_at"
        )
        amount = Money(feed.total, feed.currency).display()
        self._tell.say(f"Alice did not like the goat. The shop refunds invoice {feed}, {amount}.")
        held = refund.give_back(
            feed, now=self._year.now, lease_seconds=self._year.limits.lease_seconds
        )
        self._year.run([held])

    def _bobs_bank_takes_it_back(self) -> None:
        paid = Transaction.objects.filter(
            feed__customer=self._cast.people["Bob"], state="succeeded"
        )
        newest = paid.latest("updated_at")
        self._desk.bring_back(str(newest.processor_uri), code="R01")
        self._year.expect(newest)

    def _report_usage(self, at: datetime, week: int) -> Callable[[], None]:
        def report() -> None:
            record_usage(
                scheduler=self._cast.storage,
                metric="storage_gb",
                quantity=FIRST_GIGABYTES + MORE_GIGABYTES * week,
                at=at,
                external_id=f"week-{week}",
                now=at,
            )

        return report


def fridays() -> list[tuple[int, datetime]]:
    """Return the weeks, counted from 0, with the mornings on which Carol is paid."""
    first = STARTS_AT + timedelta(days=1, hours=4)
    weeks = (ENDS_AT - first) // timedelta(weeks=1) + 1
    return [(week, first + timedelta(weeks=week)) for week in range(weeks)]


def _on(month: int, day: int, hour: int, act: Callable[[], None]) -> Happening:
    return Happening(at=datetime(STARTS_AT.year, month, day, hour, tzinfo=UTC), act=act)
