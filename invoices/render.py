"""An invoice as people read it: the document as a value, as text for a terminal, and as HTML.

Everything comes from the feed, its events and its customer: the lines are the events that changed
the total, the payments those that moved money, the history all of them.
"""

from __future__ import annotations

import textwrap
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.template.loader import render_to_string

from audit.kinds import KINDS
from audit.record import by_feed
from core.money import Money
from core.walltime import zone_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from zoneinfo import ZoneInfo

    from audit.models import AuditEvent
    from invoices.models import AuditFeed

WIDTH = 80  # Columns: what a terminal has at least.
NARROWEST = 40  # Below it there is no room left for words beside the amounts.

TITLES = {"debit": "Invoice", "credit": "Payout"}
STATES = {
    "draft": "draft",
    "open": "open",
    "settled": "paid",
    "uncollected": "not collected",
    "waived": "waived",
    "voided": "void",
    "parked": "being looked at",
}
# What a payment is called, by the kind of its event.
PAYMENTS = {
    "debit.succeeded": "Charged to",
    "debit.returned": "Taken back by the bank of",
    "credit.succeeded": "Paid into",
    "credit.returned": "Sent back by the bank of",
}
# What is given back later changes nothing about what was owed, so it stands below the sum.
GIVEN_BACK = {"refund.succeeded": "Refunded to", "reversal.succeeded": "Reversed from"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the document; `detail` says how the amount was found, empty where it is plain."""

    text: str
    amount: Money
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One audit event: when in local time, its kind, what that means, and what it came to."""

    at: str
    kind: str
    meaning: str
    amount: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """An invoice or payout statement, every value in words, dates in the customer's time zone."""

    title: str
    number: str
    state: str
    company: str
    customer: str
    date: str
    due: str
    period: str
    lines: tuple[Row, ...]
    total: Money
    payments: tuple[Row, ...]
    left: Money
    given_back: tuple[Row, ...]
    history: tuple[Happening, ...]


def document(feed: AuditFeed) -> Document:
    """Return what the invoice says; one query for its events, the rest comes with the feed."""
    zone = zone_named(str(feed.terms.get("time_zone", "UTC")))
    events = by_feed([feed.pk])[feed.pk]
    return Document(
        title=TITLES[feed.direction],
        number=str(feed) if feed.number else feed.guid,
        state=STATES[feed.state],
        company=feed.company.name,
        customer=feed.customer.name or feed.customer.guid,
        date=_day(feed.opened_at or feed.created_at, zone),
        due=_day(feed.due_at, zone),
        period=_period(feed.period_start, feed.period_end, zone),
        lines=tuple(_line(event) for event in events if "line" in event.body),
        total=Money(feed.total, feed.currency),
        payments=(*_payments(events, feed), *_without_money(feed)),
        left=Money(feed.owed, feed.currency),
        given_back=tuple(_given_back(event, feed) for event in events if event.kind in GIVEN_BACK),
        history=tuple(_happening(event, zone) for event in events),
    )


def as_html(shown: Document) -> str:
    """Return a whole HTML document of the invoice: it needs nothing from elsewhere, and prints."""
    return render_to_string("invoices/invoice.html", {"invoice": shown})


def as_text(shown: Document, *, width: int = WIDTH, history: bool = True) -> str:
    """Return the invoice for a terminal; no line takes more than `width` columns, at least 40."""
    width = max(width, NARROWEST)
    rule = "-" * width
    lines = [
        *_pair(f"{shown.title} {shown.number}", shown.state, width),
        rule,
        *_field("from", shown.company, width),
        *_field("for", shown.customer, width),
        *_field("date", shown.date, width),
        *_field("due", shown.due, width),
        *_field("period", shown.period, width),
        rule,
        *(line for row in shown.lines for line in _amounts(row, width)),
        rule,
        *_pair("Total", shown.total.display(), width),
        *(line for row in shown.payments for line in _amounts(row, width)),
        *_pair("Left to pay", shown.left.display(), width),
        *(line for row in shown.given_back for line in _amounts(row, width)),
        rule,
    ]
    if history:
        lines += [line for each in shown.history for line in _told(each, width)]
    return "\n".join(line.rstrip() for line in lines)


def columns(text: str) -> int:
    """Return how many columns of a terminal a text takes: East Asian wide letters take two."""
    return sum(
        0 if unicodedata.combining(each) else 1 + (unicodedata.east_asian_width(each) in "WF")
        for each in text
    )


def fitted(text: str, width: int) -> str:
    """Return the text in at most `width` columns, the end given up for dots where it is longer.

    What a terminal would obey rather than show (control characters, direction marks) is left out:
    a customer's name must not paint the operator's screen.
    """
    shown = "".join(each for each in text if unicodedata.category(each) not in HIDDEN)
    if columns(shown) <= width:
        return shown
    while columns(shown) > width - len(DOTS):
        shown = shown[:-1]
    return shown + DOTS


def _line(event: AuditEvent) -> Row:
    return Row(
        text=str(event.body["line"]) or "(no description)",
        amount=Money(event.amount, event.currency),
        detail=_formula(event.body.get("inputs", {}), event.currency),
    )


def _formula(inputs: dict[str, Any], currency: str) -> str:
    """Return how an amount was found, such as `1250 x $0.02`; empty where it was simply given."""
    if inputs.get("formula") != "quantity * unit_amount":
        return ", ".join(f"{name} {value}" for name, value in inputs.items())
    unit = Money(int(inputs["unit_amount"]), currency).display()
    rounded = "" if inputs.get("rounding") == "none" else f", rounded {inputs.get('rounding')}"
    return f"{inputs['quantity']} x {unit}{rounded}"


def _payments(events: Sequence[AuditEvent], feed: AuditFeed) -> list[Row]:
    """Return what moved, as it changes what is left to pay: less, or more where it came back."""
    sign = -1 if feed.direction == "debit" else 1
    return [
        Row(
            text=f"{PAYMENTS[event.kind]} {_account(feed)}",
            amount=Money(sign * (event.moved or 0), event.currency),
        )
        for event in events
        if event.kind in PAYMENTS
    ]


def _without_money(feed: AuditFeed) -> list[Row]:
    """Return what made less of the sum without moving money."""
    sums = (("From the credit balance", feed.applied), ("Credited", feed.credited))
    return [Row(text=text, amount=Money(-sum_, feed.currency)) for text, sum_ in sums if sum_]


def _given_back(event: AuditEvent, feed: AuditFeed) -> Row:
    amount = Money(abs(event.moved or 0), event.currency)
    return Row(text=f"{GIVEN_BACK[event.kind]} {_account(feed)}", amount=amount)


def _account(feed: AuditFeed) -> str:
    return feed.instrument.label if feed.instrument is not None else "another account"


def _happening(event: AuditEvent, zone: ZoneInfo) -> Happening:
    amount = event.moved if event.moved is not None else event.amount
    body, meaning = event.body, KINDS.get(event.kind, "")
    if "due_at" in body:
        said = f"for {_day(datetime.fromisoformat(body['due_at']), zone)}"
    else:
        said = str(body.get("reason") or body.get("line") or "")
    return Happening(
        at=f"{event.at.astimezone(zone):%Y-%m-%d %H:%M}",
        kind=event.kind,
        meaning=f"{meaning}: {said}" if said else meaning,
        amount=Money(amount, event.currency).display() if amount else "",
    )


def _period(start: datetime, end: datetime, zone: ZoneInfo) -> str:
    """Return first and last day; the end itself belongs to the next period."""
    last = end.astimezone(zone) - timedelta(days=1)
    first, until = _day(start, zone), _day(last, zone)
    return first if last <= start.astimezone(zone) else f"{first} to {until}"


def _day(at: datetime, zone: ZoneInfo) -> str:
    local = at.astimezone(zone)
    return f"{local.day} {local:%B %Y}"


def _field(name: str, value: str, width: int) -> Iterable[str]:
    return (f"{name:8}{fitted(value, width - 8)}",)


def _amounts(row: Row, width: int) -> list[str]:
    shown = _pair(row.text, row.amount.display(), width)
    return [*shown, f"  {fitted(row.detail, width - 2)}"] if row.detail else shown


def _pair(left: str, right: str, width: int) -> list[str]:
    """Return one line with something at each end, the left one shortened where it must be."""
    room = width - max(columns(right), 1) - 2
    text = fitted(left, room)
    return [text + " " * (width - columns(text) - columns(right)) + right]


def _told(each: Happening, width: int) -> list[str]:
    """Return an event: when and what on one line with its amount, its meaning below."""
    words = _wrapped(each.meaning, width - INDENT)
    head = _pair(f"{each.at}  {each.kind}", each.amount, width)
    return [*head, *(" " * INDENT + line for line in words)]


def _wrapped(text: str, width: int) -> Sequence[str]:
    """Return a text in lines of at most `width` columns; wide letters count for two."""
    plain = fitted(text, len(text) * 2)
    narrow = width // 2 if columns(plain) > len(plain) else width
    return textwrap.wrap(plain, narrow)


DOTS = "..."
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
INDENT = 18  # Below the kind, which stands behind the instant.
