"""Who tells the story: picks what is worth a line, and says it in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Q, Sum

from audit.models import AuditEvent
from billy.demo.screen import BAR_WIDTH
from core.money import Money
from invoices.models import AuditFeed

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from billy.demo.cast import Cast
    from billy.demo.screen import Screen
    from billy.demo.year import Year
    from invoices.models import Transaction
    from invoices.settle import Settled

FULL_BAR = 120_000  # Minor units: what a bar of full length stands for.
ORDINALS = {2: "second", 3: "third", 4: "fourth", 5: "fifth", 6: "sixth"}


class Narrator:
    """Tells each kind of thing once for each person, and everything that goes wrong always."""

    def __init__(self, screen: Screen, cast: Cast) -> None:
        """Tell it to a screen."""
        self._screen = screen
        self._names = {each.pk: name for name, each in cast.people.items()}
        self._told: set[tuple[UUID, str]] = set()
        self._year: Year | None = None

    def follow(self, year: Year) -> None:
        """Take the day of each thing from this year's clock."""
        self._year = year

    def say(self, text: str, *, style: str = "") -> None:
        """Tell something that happened now."""
        if self._year is not None:
            self._screen.entry(self._year.now, text, style=style)

    def settled(self, each: Settled) -> None:
        """Tell what an attempt came to, if it is worth a line."""
        held = each.held
        name = self._names.get(held.customer_id)
        if name is None:
            return
        money = Money(held.amount, held.currency).display()
        if each.state == "declined":
            self._declined(each, name=name, money=money)
        elif each.state == "succeeded" and held.attempt > 1 and held.kind == "debit":
            tries = ORDINALS.get(held.attempt, f"{held.attempt}th")
            self.say(f"{name}'s {money} is paid at the {tries} try.", style="green")
        elif self._is_new(held.customer_id, f"{held.kind}.{each.state}"):
            self._first(each, name=name, money=money)

    def called_back(self, transaction: Transaction) -> None:
        """Tell what a bank had to say, days later."""
        feed = transaction.feed
        name = self._names.get(feed.customer_id, "Somebody")
        money = Money(transaction.amount, transaction.currency).display()
        if transaction.state == "returned":
            self.say(
                f"Bad news: {name}'s bank takes the {money} back (R01, insufficient funds). "
                f"Invoice {feed} is open again; the bank may be asked twice more.",
                style="yellow",
            )
        elif transaction.attempt > 1:
            self.say(f"{name}'s {money} has arrived after all.", style="green")
        elif self._is_new(feed.customer_id, f"{transaction.kind}.arrived"):
            what = "arrived" if transaction.kind == "debit" else f"reached {name}'s bank"
            whose = f"{name}'s {money}" if transaction.kind == "debit" else f"The {money}"
            self.say(f"{whose} has {what}: Balanced called, and Billy asked to be sure.")

    def month(self, start: datetime, end: datetime) -> None:
        """Draw what came in and went out in a month, as the audit events have it."""
        moved = AuditEvent.objects.filter(at__gte=start, at__lt=end).aggregate(
            came=Sum("moved", filter=Q(moved__gt=0)), went=Sum("moved", filter=Q(moved__lt=0))
        )
        came, went = moved["came"] or 0, -(moved["went"] or 0)
        self._screen.month(
            f"{start:%b}",
            money_in=(_length(came), Money(came, "USD").display()),
            money_out=(_length(went), Money(went, "USD").display()),
        )

    def _declined(self, each: Settled, *, name: str, money: str) -> None:
        again = f"Billy tries again on {_day(each.retry_at)}." if each.retry_at else "That was all."
        self.say(
            f"{name}'s card is declined for {money}: {each.outcome.reason.rstrip('.').lower()}. "
            f"{again}",
            style="yellow",
        )

    def _first(self, each: Settled, *, name: str, money: str) -> None:
        held = each.held
        what = str(held.terms.get("description", ""))
        feed = AuditFeed.objects.get(pk=held.feed_id)
        if held.kind == "refund":
            self.say(f"{name} has {money} back.", style="green")
        elif held.kind == "credit" and what.endswith(": seller"):
            self.say(
                f"Frank's charge of a week ago had scheduled this when it settled: {name}, who "
                f"made the cheese, is paid 85 percent of it, {money}."
            )
        elif held.kind == "credit":
            self.say(f"{name} is paid {money} ({what}); it takes the bank three days.")
        elif each.state == "pending":
            self.say(f"{name}'s bank is asked for {money} ({what}): pending, for three days.")
        else:
            self.say(f"{name} is charged {money} for {what}, invoice {feed}.")

    def _is_new(self, customer: UUID, what: str) -> bool:
        is_new = (customer, what) not in self._told
        self._told.add((customer, what))
        return is_new


def _day(at: datetime | None) -> str:
    return f"{at.day} {at:%B}" if at is not None else ""


def _length(amount: int) -> int:
    return min(BAR_WIDTH, -(-amount * BAR_WIDTH // FULL_BAR))
