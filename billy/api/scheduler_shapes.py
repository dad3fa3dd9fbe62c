"""Schedulers, whole: any task on a timer, and what is taken to make one."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from accounts.models import EXTERNAL_LIMIT
from billy.api.inputs import (
    Guid,
    Input,
    Instant,
    Many,
    OneOf,
    Params,
    Statement,
    Text,
    Uri,
    Whole,
    Zone,
)
from billy.api.plans import DIRECTIONS
from billy.api.shapes import Shape, Told, anything, flag, guid_of, instant, own_guid, text, whole
from billy.api.subscriptions import effective
from core.frequency import Frequency
from core.ids import PREFIXES, guid
from core.invalid import Invalid
from core.money import LARGEST_AMOUNT
from plans.offer import LONGEST_TRIAL_DAYS, MONTH_ENDS, SHIFTS
from schedulers.follow_ups import LONGEST_WAIT_DAYS, MOST_FOLLOW_UPS, WHOLE
from schedulers.models import FOR_EVER
from schedulers.rules import AT_PERIOD_END, GO_ON, NOW, STOP
from schedulers.states import SCHEDULER_MOVES, TICKING
from schedulers.subscribe import CATCH_UPS, WITHOUT_INSTRUMENT

STATES = tuple(SCHEDULER_MOVES)
FOLLOW_UP = {
    "type": "object",
    "properties": {
        "role": {"type": "string", "maxLength": 40, "description": "Which payee it is."},
        "customer": Guid("customer", about="Who is paid.").schema,
        "instrument": Guid("instrument", about="The payee's account.").schema,
        "share": {"type": "integer", "minimum": 1, "maximum": WHOLE, "description": "Of 10000."},
        "amount": Whole(1, LARGEST_AMOUNT, about="In place of a share; minor units.").schema,
        "after_days": {"type": "integer", "minimum": 0, "maximum": LONGEST_WAIT_DAYS},
    },
    "required": ["customer", "instrument"],
    "oneOf": [{"required": ["share"]}, {"required": ["amount"]}],
    "additionalProperties": False,
}


class RunShape(Shape):
    """An occurrence that is still to come."""

    occurrence = whole("occurrence")
    run_at = instant("run_at")
    period_start = instant("period_start")
    period_end = instant("period_end")


class SchedulerShape(Shape):
    """One task on one timer for one customer."""

    guid = own_guid("scheduler")
    company_guid = guid_of("company", "company_id")
    customer_guid = guid_of("customer", "customer_id")
    plan_guid = guid_of("plan", "plan_id", null=True, about="A plan or a payout.")
    funding_instrument_guid = guid_of("instrument", "instrument_id", null=True)
    external_id = text("external_id", null=True)
    state = text("state", enum=list(STATES))
    reason = text("reason", null=True, about="Why it is in this state.")
    retryable = flag(
        lambda row: row.may_retry, about="Whether its newest invoice may be tried again now."
    )
    task = text("task")
    params = anything("params", "What the task is given.")
    direction = text("direction", enum=list(DIRECTIONS))
    amount = whole("amount", null=True, about="In place of the offer's; minor units.")
    effective_amount = Told("integer", effective, null=True, about="Null where it is computed.")
    currency = text("currency")
    frequency = text("frequency", enum=list(Frequency))
    interval = whole("interval")
    rule = text("rule", null=True)
    month_end = text("month_end", enum=list(MONTH_ENDS))
    shift = text("shift", enum=list(SHIFTS))
    time_zone = text("time_zone")
    started_at = instant("started_at")
    anchor_at = instant("anchor_at")
    trial_ends_at = instant("trial_ends_at", null=True)
    occurrence = whole("occurrence", about="The number of the next one, from 0.")
    next_run_at = Told(
        "string",
        lambda row: row.next_run_at.isoformat() if row.state in TICKING else None,
        null=True,
        about="Null while it does not tick.",
        format="date-time",
    )
    ends_after = whole("ends_after", null=True, about="Occurrences without the trial.")
    cancel_at = instant("cancel_at", null=True, about="It is to end with this period.")
    canceled_at = instant("canceled_at", null=True)
    catch_up = text("catch_up", enum=list(CATCH_UPS))
    without_instrument = text("without_instrument", enum=list(WITHOUT_INSTRUMENT))
    retry_policy = anything("retry_policy")
    appears_on_statement_as = text("statement_text", null=True)
    follow_ups = Told(
        "array",
        lambda row: [told_follow_up(each) for each in row.follow_ups],
        items=FOLLOW_UP,
        about="Payouts that a settled charge starts.",
    )
    parent_guid = guid_of("scheduler", "parent_id", null=True, about="Which one started it.")
    parent_occurrence = whole("parent_occurrence", null=True)
    role = text("role", null=True)
    version = whole("version", about="Counts changes of terms or state.")
    created_at = instant("created_at")
    updated_at = instant("updated_at")


def told_follow_up(rule: dict[str, Any]) -> dict[str, Any]:
    """Return a follow-up as it was given: with guids, where the row has ids."""
    return rule | {
        name: guid(PREFIXES[kind], UUID(rule[name]))
        for name, kind in (("customer", "customer"), ("instrument", "instrument"))
    }


class FollowUp(Params):
    """A payout that a settled charge starts; `schedulers.follow_ups` looks at it."""

    def described(self) -> dict[str, Any]:
        """Return the JSON schema of a value."""
        return FOLLOW_UP


class Start(Instant):
    """An instant, or a date: then it starts at 04:00 local."""

    def read(self, name: str, value: Any, *, is_form: bool) -> Any:
        """Return the instant or date; raises Invalid."""
        if isinstance(value, str) and len(value) == len("2026-01-31"):
            try:
                return date.fromisoformat(value)
            except ValueError:
                raise Invalid({name: "must be a date that exists, such as 2026-01-31"}) from None
        return super().read(name, value, is_form=is_form)

    def described(self) -> dict[str, Any]:
        """Return the JSON schema of a value."""
        return {"type": "string", "anyOf": [{"format": "date"}, {"format": "date-time"}]}


class NewScheduler(Input):
    """What a scheduler is made of: a customer, and a plan or payout that says what and when."""

    customer_guid = Guid("customer", required=True, example="CU1CVuyknFeagYMVp1LKhQ15")
    plan_guid = Guid(
        "plan", required=True, about="A plan or a payout.", example="PL1CVuyknFeagYMVp1LKhQ15"
    )
    funding_instrument_uri = Uri(example="/cards/CC4zyuNpxY0A0eAf87SeULCR")
    external_id = Text(EXTERNAL_LIMIT, about="Your own name for it; unique in the company.")
    amount = Whole(1, LARGEST_AMOUNT, about="In place of the offer's; minor units.")
    params = Params(about="For the task; they stand in place of the offer's of the same name.")
    started_at = Start(about="Now where it is not said; the past is caught up.")
    trial_period = Whole(0, LONGEST_TRIAL_DAYS, about="Whole days; the offer's if not said.")
    time_zone = Zone()
    ends_after = Whole(1, FOR_EVER, about="Occurrences without the trial.")
    catch_up = OneOf(CATCH_UPS, default="auto")
    without_instrument = OneOf(WITHOUT_INSTRUMENT, default="pause")
    appears_on_statement_as = Statement()
    retry_policy = Params(about="days, hour and end: docs/money.md.")
    follow_ups = Many(
        FollowUp(), MOST_FOLLOW_UPS, about="Payouts that a settled charge starts; docs/tasks.md."
    )


class Cancellation(Input):
    """When it is to end, and what becomes of planned retries."""

    at = OneOf((AT_PERIOD_END, NOW), default=AT_PERIOD_END, example=NOW)
    dunning = OneOf((STOP, GO_ON), default=STOP)


class InstrumentChange(Input):
    """Through what to charge or pay from now on."""

    funding_instrument_uri = Uri(required=True, example="/cards/CC4zyuNpxY0A0eAf87SeULCR")
