"""Billy: recurring billing and payouts. This is the front door.

    import billy

    billy.Plan.create(amount=100, description="the goat - silver", trial_period=None,
                      frequency=billy.Frequency.MONTHLY, interval=3)

It works in a plain Python script that is started in the project's folder, in `manage.py shell` and
inside a Django app. Names are loaded when they are first used; in a plain script that is also when
Django is set up, on the embedded database where no DATABASE_URL is given.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from accounts.models import Company, Customer, FundingInstrument
    from billy.front import record_usage, subscribe
    from core.frequency import Frequency
    from core.invalid import Invalid
    from core.money import Money
    from plans.models import Payout, Plan
    from schedulers.models import Scheduler
    from tasks.kinds import DebitTask, FixedDebitTask, FixedPayoutTask, PayoutTask, task
    from tasks.pricing import Context, Line

__version__ = "2.0.0"

# Where each name lives, and whether it needs Django to be set up.
_VALUES = {
    "Context": "tasks.pricing",
    "DebitTask": "tasks.kinds",
    "FixedDebitTask": "tasks.kinds",
    "FixedPayoutTask": "tasks.kinds",
    "Frequency": "core.frequency",
    "Invalid": "core.invalid",
    "Line": "tasks.pricing",
    "Money": "core.money",
    "PayoutTask": "tasks.kinds",
    "task": "tasks.kinds",
}
_ROWS = {
    "Company": "accounts.models",
    "Customer": "accounts.models",
    "FundingInstrument": "accounts.models",
    "Payout": "plans.models",
    "Plan": "plans.models",
    "Scheduler": "schedulers.models",
    "record_usage": "billy.front",
    "subscribe": "billy.front",
}

__all__ = [
    "Company",
    "Context",
    "Customer",
    "DebitTask",
    "FixedDebitTask",
    "FixedPayoutTask",
    "Frequency",
    "FundingInstrument",
    "Invalid",
    "Line",
    "Money",
    "Payout",
    "PayoutTask",
    "Plan",
    "Scheduler",
    "record_usage",
    "subscribe",
    "task",
]


def __getattr__(name: str) -> Any:  # Whatever the name stands for.
    """Load a public name; raises AttributeError for any other."""
    if name in _VALUES:
        value = getattr(importlib.import_module(_VALUES[name]), name)
    elif name in _ROWS:
        from billy.bootstrap import add_site_packages

        add_site_packages()
        importlib.import_module("billy.ready").ensure()
        value = getattr(importlib.import_module(_ROWS[name]), name)
    else:
        message = f"module 'billy' has no attribute {name!r}"
        raise AttributeError(message)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted([*__all__, "__version__"])
