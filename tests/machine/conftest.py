"""How histories are told: from a seed, so many, each in databases of its own."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

STEPS = int(os.environ.get("BILLY_STEPS", "40"))
SHRINKS = os.environ.get("BILLY_SHRINKS", "yes") == "yes"  # Down to the shortest that fails.


@pytest.fixture
def machine(workshop, django_db_setup, django_db_blocker):
    """A function that returns a machine: a class, each object of which tells one history."""
    # Here, since Django and the isolation of tests come first.
    from tests.machine.histories import Histories
    from tests.machine.moody import Moody
    from tests.machine.world import Engine, World

    def machine(*, engine=None, processor=None):
        def make():
            return World(
                workshop=workshop,
                template=django_db_setup,
                engine=engine or Engine(),
                processor=(processor or Moody)(),
            )

        return type("Histories", (Histories,), {"make": staticmethod(make)})

    with django_db_blocker.unblock():
        yield machine


@pytest.fixture
def tell(machine):
    """A function that tells random histories from a seed."""

    def tell(number, *, histories, steps=STEPS, shrinks=SHRINKS, **swapped):
        run_state_machine_as_test(
            seed(number)(machine(**swapped)),
            settings=settings(
                max_examples=histories,
                stateful_step_count=steps,
                deadline=None,
                database=None,
                phases=[Phase.generate] + [Phase.shrink] * shrinks,
                report_multiple_bugs=False,
                suppress_health_check=list(HealthCheck),
            ),
        )

    return tell
