"""The terms of an offer, checked: what a plan or payout may say. Pure; nothing is written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from core import check
from core.frequency import Frequency
from core.invalid import Invalid
from core.money import LARGEST_AMOUNT
from core.recurrence import Recurrence
from tasks import kinds

if TYPE_CHECKING:
    from collections.abc import Mapping

LARGEST_INTERVAL = 10_000
LONGEST_TRIAL_DAYS = 3_660  # Ten years.
DESCRIPTION_LIMIT = 200
RULE_LIMIT = 200
MONTH_ENDS = ("same_day", "last_day")
SHIFTS = ("none", "previous", "following")
FIXED_TASKS = {"debit": kinds.FIXED_DEBIT, "credit": kinds.FIXED_PAYOUT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An offer's terms as they are stored; amounts are whole minor units."""

    direction: str
    description: str
    amount: int | None
    currency: str
    frequency: Frequency
    interval: int
    rule: str
    month_end: str
    shift: str
    trial_days: int | None
    time_zone: str
    task: str
    params: dict[str, Any]


def checked(direction: str, terms: Mapping[str, Any], *, currency: str) -> Offer:
    """Return the terms, complete and sound; raises Invalid that names every field that is not.

    `currency` is the company's, for an offer that names none.
    """
    unknown = set(terms) - NAMES
    if unknown:
        raise Invalid(dict.fromkeys(sorted(unknown), "is not a term of an offer"))
    problems: list[Invalid] = []
    values: dict[str, Any] = {}
    for name, read in READERS.items():
        try:
            values[name] = read(terms.get(name))
        except Invalid as problem:
            problems.append(problem)
    task = terms.get("task") or FIXED_TASKS[direction]
    try:
        _task(task, direction)
    except Invalid as problem:
        problems.append(problem)
    try:
        _amount(terms.get("amount"), task)
    except Invalid as problem:
        problems.append(problem)
    if problems:
        raise Invalid.combined(problems)
    values["trial_days"] = values.pop("trial_period")
    if values["rule"]:  # The rule says how often; the two must not contradict each other.
        recurrence = Recurrence.parse(values["rule"])
        values |= {"frequency": recurrence.frequency, "interval": recurrence.interval}
    return Offer(
        **(values | {"currency": values["currency"] or currency}),
        direction=direction,
        amount=terms.get("amount"),
        task=task,
    )


def trial_days(value: object) -> int | None:
    """Return a trial in whole days: None, a whole number, or a timedelta of whole days."""
    if value is None:
        return None
    if isinstance(value, timedelta):
        if value % timedelta(days=1):
            raise Invalid(trial_period="must be whole days")
        value = value.days
    return check.whole("trial_period", value, minimum=0, maximum=LONGEST_TRIAL_DAYS) or None


def params_checked(value: object, *, field: str = "params") -> dict[str, Any]:
    """Return parameters of a task: an object of JSON values without fractions; raises Invalid."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Invalid({field: "must be an object of names and values"})
    _plain(field, value, depth=0)
    return dict(value)


def _plain(field: str, value: object, *, depth: int) -> None:
    if depth > MOST_DEPTH:
        raise Invalid({field: f"must not be nested deeper than {MOST_DEPTH} levels"})
    if isinstance(value, dict):
        for name, inner in value.items():
            check.text(field, name, limit=80)
            _plain(f"{field}.{name}", inner, depth=depth + 1)
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            _plain(f"{field}[{position}]", inner, depth=depth + 1)
    else:
        _plain_leaf(field, value)


def _plain_leaf(field: str, value: object) -> None:
    if isinstance(value, str):
        check.text(field, value, limit=PARAM_LIMIT)
    elif value is not None and not isinstance(value, (bool, int)):
        raise Invalid({field: "must be texts, whole numbers, true, false or null"})
    elif isinstance(value, int) and abs(value) > LARGEST_AMOUNT:
        raise Invalid({field: f"must be a whole number of at most {LARGEST_AMOUNT}"})
    elif isinstance(value, int):
        check.text(field, str(value), limit=PARAM_LIMIT)  # It may be the number of a card.


def _task(name: object, direction: str) -> None:
    if not isinstance(name, str):
        raise Invalid(task="must be the name of a task")
    entry = kinds.find(name)
    if entry.direction != direction:
        raise Invalid(task=f"is a {entry.direction} task; a {direction} task is needed here")


def _amount(value: object, task: object) -> None:
    if value is None and task not in kinds.FIXED:
        return  # The task computes it.
    check.whole("amount", value, minimum=1, maximum=LARGEST_AMOUNT)


def _rule(value: object) -> str:
    rule = check.text("rule", value, limit=RULE_LIMIT)
    try:
        Recurrence.parse(rule)
    except Invalid as problem:  # It names a part of the rule.
        raise Invalid(rule=str(problem)) from None
    return rule


def _one_of(field: str, allowed: tuple[str, ...]) -> Any:  # A reader.
    return lambda value: check.one_of(field, allowed[0] if value in (None, "") else value, allowed)


MOST_DEPTH = 8
PARAM_LIMIT = 1_000
READERS: dict[str, Any] = {
    "description": lambda value: check.text(
        "description", "" if value is None else value, limit=DESCRIPTION_LIMIT
    ),
    "currency": lambda value: check.currency("currency", value) if value is not None else None,
    "frequency": lambda value: Frequency.parse(value if value is not None else Frequency.MONTHLY),
    "interval": lambda value: check.whole(
        "interval", 1 if value is None else value, minimum=1, maximum=LARGEST_INTERVAL
    ),
    "rule": lambda value: "" if value in (None, "") else _rule(value),
    "month_end": _one_of("month_end", MONTH_ENDS),
    "shift": _one_of("shift", SHIFTS),
    "trial_period": trial_days,
    "time_zone": lambda value: "" if value in (None, "") else check.zone("time_zone", value),
    "params": params_checked,
}
NAMES = frozenset({*READERS, "amount", "task"})
