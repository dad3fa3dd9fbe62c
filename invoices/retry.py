"""When a declined payment is tried again. Pure: reads no clock and writes nothing.

Cards that were refused for now are tried again on certain days after the first try, in the
morning, when accounts have been filled overnight. A card that was lost or closed is not: only a
new one helps. Debits of bank accounts follow the rules of the ACH network (Nacha): a return for
want of funds may be presented again twice, within 180 days. Payouts are never repeated: a deposit
that failed needs another account.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import pairwise
from typing import Final, Literal, TypeAlias, get_args

from core.invalid import Invalid
from core.walltime import at_wall_time, zone_named

End: TypeAlias = Literal["pause", "cancel", "leave", "uncollectible"]

ENDS: Final[tuple[End, ...]] = get_args(End)

# Six attempts in three weeks: within what card networks and the larger billing systems allow.
DEFAULT_DAYS: Final = (1, 3, 7, 14, 21)
DEFAULT_HOUR: Final = 9
DEFAULT_END: Final[End] = "pause"

MOST_RETRIES: Final = 15  # Card networks fine for more than that in a month.
LATEST_DAY: Final = 365  # What is owed for longer is not collected by a timer.
LAST_HOUR: Final = 23

# Nacha: only insufficient and uncollected funds, two re-presentments, 180 days from the first.
# A return without a code is taken for one of these, since the processor did not call it final.
REPRESENTABLE_CODES: Final = frozenset({"R01", "R09", ""})
MOST_REPRESENTMENTS: Final = 2
REPRESENTMENT_LIMIT: Final = timedelta(days=180)

_NAMES: Final = ("days", "hour", "end")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A company's plan for declined payments; raises Invalid naming the field.

    `days` are counted from the first try, each later than the one before; none means no retry.
    `hour` is that of the local clock. `end` is what happens to the scheduler after the last.
    """

    days: tuple[int, ...] = DEFAULT_DAYS
    hour: int = DEFAULT_HOUR
    end: End = DEFAULT_END

    def __post_init__(self) -> None:
        """Refuse days that are out of order or too many, hours and ends that do not exist."""
        errors = {}
        if not _are_days(self.days):
            errors["days"] = (
                f"must be at most {MOST_RETRIES} whole numbers from 1 to {LATEST_DAY}, rising"
            )
        if type(self.hour) is not int or not 0 <= self.hour <= LAST_HOUR:
            errors["hour"] = f"must be a whole number from 0 to {LAST_HOUR}"
        if self.end not in ENDS:
            errors["end"] = f"must be one of {', '.join(ENDS)}"
        if errors:
            raise Invalid(errors)

    @classmethod
    def parse(cls, values: object) -> Policy:
        """Read a policy from a JSON object, each name optional; raises Invalid naming the field."""
        if not isinstance(values, Mapping):
            raise Invalid(retry=f"must be an object of {', '.join(_NAMES)}")
        unknown = [str(name) for name in values if name not in _NAMES]
        if unknown:
            raise Invalid(dict.fromkeys(unknown, f"must be one of {', '.join(_NAMES)}"))
        days = values.get("days", DEFAULT_DAYS)
        return cls(
            days=tuple(days) if isinstance(days, list) else days,
            hour=values.get("hour", DEFAULT_HOUR),
            end=values.get("end", DEFAULT_END),
        )

    def as_json(self) -> dict[str, object]:
        """Return what `parse` reads."""
        return {"days": list(self.days), "hour": self.hour, "end": self.end}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What was refused: a `kind` of card, bank_account (a debit of one) or payout, and why.

    `code` is the processor's, `hard` its word that the same instrument never works again.
    """

    kind: str
    code: str = ""
    hard: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """The next try: when, in UTC, and how many there were before it, the first one included."""

    due_at: datetime
    step: int


def after(
    *,
    policy: Policy,
    refusal: Refusal,
    step: int,
    first_declined_at: datetime,
    now: datetime,
    time_zone: str,
) -> Retry | None:
    """Return the try that follows a refusal, or None when there is none and `policy.end` applies.

    `step` counts the automatic retries made so far, 0 after the first try. The next one is on the
    first of the remaining days whose morning is still ahead of `now`: days that were missed are
    not made up, so that the plan ends when it says. `time_zone` is the name of an IANA zone, and
    both instants are aware. Raises Invalid.
    """
    if step < 0 or first_declined_at.tzinfo is None or now.tzinfo is None:
        raise Invalid(step="must be a whole number from 0, and both instants have a time zone")
    if not _may_repeat(refusal, step=step):
        return None
    zone = zone_named(time_zone)
    first_day = first_declined_at.astimezone(zone).date()
    for days in policy.days[step:]:
        due_at = at_wall_time(first_day + timedelta(days=days), time(policy.hour), zone)
        if due_at > now and not _is_too_late(refusal, due_at - first_declined_at):
            return Retry(due_at=due_at, step=step + 1)
    return None


def _may_repeat(refusal: Refusal, *, step: int) -> bool:
    if refusal.hard:
        return False
    if refusal.kind == "bank_account":
        return refusal.code in REPRESENTABLE_CODES and step < MOST_REPRESENTMENTS
    return refusal.kind == "card"


def _is_too_late(refusal: Refusal, since_first: timedelta) -> bool:
    return refusal.kind == "bank_account" and since_first > REPRESENTMENT_LIMIT


def _are_days(days: object) -> bool:
    if not isinstance(days, Sequence) or isinstance(days, str) or len(days) > MOST_RETRIES:
        return False
    if any(type(day) is not int or not 1 <= day <= LATEST_DAY for day in days):
        return False
    return all(earlier < later for earlier, later in pairwise(days))
