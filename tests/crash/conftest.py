"""The database and the doors of the enumerator, swapped at their edges."""

from contextlib import ExitStack, closing

import pytest
from django.db import connections

from billy.tests.processes import Sandbox
from conftest import change
from tests.crash import bell
from tests.crash.backend.base import hang_up
from tests.crash.edge import Edge
from tests.crash.scenarios import POISON
from tests.crash.stage import Stage
from tests.crash.wire import Wire


@pytest.fixture
def machine(database, settings):
    """A database whose connections number what they do, and a processor that does so too."""
    before = connections.settings["default"]["ENGINE"]
    use_engine("tests.crash.backend")
    settings.BILLY_PROCESSOR = "tests.crash.edge:door"
    settings.BILLY_CALLS_AT_ONCE = 1
    settings.BILLY_FENCE = False  # It looks by the clock, and so at another boundary each time.
    change(
        "CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE EXCEPTION 'poisoned'; END $$"
    )
    change(
        "CREATE TRIGGER poison BEFORE INSERT ON billy_invoices_auditfeed FOR EACH ROW"
        f" WHEN (NEW.terms ->> 'description' = '{POISON}') EXECUTE FUNCTION refuse_poison()"
    )
    with bell.watched():
        yield
    use_engine(before)
    hang_up()


def use_engine(name):
    """Let this thread connect anew, through another backend."""
    connections["default"].close()
    connections.settings["default"]["ENGINE"] = name
    connections["default"] = connections.create_connection("default")


@pytest.fixture
def stage(machine, tmp_path):
    """Set stages, as `stage("memory")` or `stage(edge)`; each is closed with its test."""
    with ExitStack() as open_ones:

        def set_stage(edge, **options):
            if edge == "sandbox":
                url = open_ones.enter_context(Sandbox(tmp_path / "ledger.jsonl")).url
                edge = Wire(url)
            elif isinstance(edge, str):
                edge = Edge(hide_keys=edge == "without keys")
            return open_ones.enter_context(closing(Stage(edge=edge, **options)))

        yield set_stage
