"""The shop's offers: the code that the demo runs, and shows, as a merchant would write it."""

from __future__ import annotations

import inspect
import textwrap
from datetime import timedelta
from typing import TYPE_CHECKING

import billy

if TYPE_CHECKING:
    from collections.abc import Callable

    from plans.models import Payout, Plan


def silver() -> Plan:
    """Charge a dollar every three months, after two weeks for free."""
    return billy.Plan.create(
        amount=100,
        description="the goat - silver",
        trial_period=timedelta(weeks=2),
        frequency=billy.Frequency.MONTHLY,
        interval=3,
    )


def gold() -> Plan:
    """Charge 29 dollars a month."""
    return billy.Plan.create(amount=2_900, description="the goat - gold")


def cheese() -> Plan:
    """Charge 60 dollars a month for somebody else's goods."""
    return billy.Plan.create(amount=6_000, description="the cheese box")


def payroll() -> Payout:
    """Pay 85 dollars a week."""
    return billy.Payout.create(
        amount=8_500,
        description="payroll",
        frequency=billy.Frequency.WEEKLY,
    )


@billy.task("metered-storage")
class StorageTask(billy.DebitTask):
    """Charge $0.02 per stored gigabyte."""

    def price(self, context: billy.Context) -> billy.Line:
        """Return one line: the gigabytes of the period that ended, times the price of one."""
        stored, price = context.usage("storage_gb"), billy.Money(2, "USD")
        return context.line("Storage", quantity=stored, unit_amount=price)


def storage() -> Plan:
    """Charge what the task computes, every month."""
    return billy.Plan.create(description="storage", task="metered-storage")


def shown(maker: Callable[[], Plan | Payout]) -> list[str]:
    """Return the lines of code of an offer: what stands behind `return`."""
    source = textwrap.dedent(inspect.getsource(maker))
    _, _, code = source.partition("return ")
    return textwrap.dedent(f"    {code}").rstrip().split("\n")


def shown_task() -> list[str]:
    """Return the lines of code of the shop's own task, without its docstrings."""
    source = textwrap.dedent(inspect.getsource(StorageTask)).rstrip()
    lines = [line for line in source.split("\n") if '"""' not in line]
    return [line for line in lines if line]
