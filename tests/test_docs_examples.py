"""The examples of the documentation are run as they stand there."""

import doctest
import json
import shlex
import subprocess
import sys
from datetime import UTC, date, datetime
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import call_command, get_commands, load_command_class
from django.db import connection

import billy
import processors
from accounts.enroll import enroll
from audit.models import AuditTrail
from core.invalid import Invalid
from invoices.models import AuditFeed
from schedulers import cycle, importing, limits, rules
from schedulers.models import Scheduler
from tests.pages import PAGES, blocks, name_of, page

TRAIL_ON_PAGE = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def memory(database, settings):
    """The processor of a company that can charge; it is what the front door finds."""
    settings.BILLY_PROCESSOR = "memory"
    processors.load.cache_clear()
    memory = limits.processor()
    account = memory.open_account(url="http://127.0.0.1")
    enroll(name="Goats", account=account, processor=memory, now=at(1, 1))
    yield memory
    processors.load.cache_clear()


def at(month: int, day: int) -> datetime:
    return datetime(2026, month, day, 5, tzinfo=UTC)


def tick(memory, now: datetime) -> None:
    cycle.tick(processor=memory, now=now, limits=limits.Limits())


def subscription(*, card: bool = True, **terms) -> Scheduler:
    return billy.subscribe(
        plan=billy.Plan.create(amount=100, description="the goat"),
        customer=billy.Customer.create(),
        funding_instrument=f"/cards/CC{uuid4().hex}" if card else None,
        started_at=date(2026, 1, 1),
        **terms,
    )


def feeds(scheduler: Scheduler) -> list[AuditFeed]:
    return list(AuditFeed.objects.filter(trail=scheduler.pk).order_by("occurrence"))


def run(sources: list[str], names: dict[str, object]) -> dict[str, object]:
    for source in sources:
        exec(compile(source, "a page", "exec"), names)  # noqa: S102  # Our own pages.
    return names


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_what_a_page_shows_of_an_interpreter_is_what_it_answers(path):
    name = name_of(path)
    source = "\n".join(blocks(name, "pycon"))
    examples = doctest.DocTestParser().get_doctest(source, {}, name, name, 0)

    results = doctest.DocTestRunner().run(examples)

    assert 0 == results.failed


def test_the_front_door_opens(memory):
    front_door, _client = blocks("README.md", "python")
    names = run([front_door], {})

    tick(memory, names["subscription"].next_run_at)

    assert [(100, "settled")] == [(feed.total, feed.state) for feed in feeds(names["subscription"])]


def test_the_task_on_the_page_bills_what_was_used_and_a_broken_one_is_resumed(memory):
    *told, resume = blocks("docs/tasks.md", "python")
    names = run(told, {"__name__": "billing"})
    broken = billy.subscribe(
        plan=names["storage"],
        customer=names["alice"],
        params={"cents_per_gb": "two"},
        started_at=date(2026, 1, 1),
    )

    tick(memory, at(1, 1))
    tick(memory, at(2, 1))
    parked = Scheduler.objects.get(pk=broken.pk)
    run([resume], {"parked": parked})

    assert [0, 25] == [feed.total for feed in feeds(names["subscription"])]
    assert "parked" == parked.state
    assert "active" == Scheduler.objects.get(pk=broken.pk).state


def test_a_refund_is_given_as_the_page_says(memory):
    paid = subscription()
    tick(memory, at(1, 1))

    run(blocks("docs/money.md", "python"), {"invoice": feeds(paid)[0]})

    assert [("settled", 100, 40)] == [
        (feed.state, feed.captured, feed.refunded) for feed in feeds(paid)
    ]


def test_what_operators_do_by_hand_works(memory):
    waiting = subscription(card=False, catch_up="each")
    late = subscription(catch_up="hold")
    another = subscription()
    tick(memory, at(3, 2))
    rules.pause(waiting, now=at(3, 2))
    drafts = feeds(late)
    names = {
        "scheduler": waiting,
        "another": another,
        "customer": waiting.customer,
        "draft": drafts[0],
        "another_draft": drafts[1],
    }

    run(blocks("docs/operating.md", "python"), names)

    assert "canceled" == Scheduler.objects.get(pk=another.pk).state
    assert {"settled"} == {feed.state for feed in feeds(waiting)}
    assert ["settled", "waived", "draft"] == [feed.state for feed in feeds(late)]


def test_the_commands_that_operators_are_told_are_understood():
    lines = [
        shlex.split(line.strip().partition(" > ")[0])[3:]
        for line in page("docs/operating.md").splitlines()
        if line.strip().startswith("$ python3 manage.py")
    ]
    assert lines
    for name, *arguments in lines:
        app = get_commands()[name]
        parser = load_command_class(app, name).create_parser("manage.py", name)
        assert parser.parse_args(arguments)


def test_what_operators_ask_the_database_is_understood(database):
    told = blocks("docs/operating.md", "sql")

    for source in told:
        with connection.cursor() as cursor:
            cursor.execute(source)

    assert told


def test_a_trail_is_checked_by_the_script_on_the_page(memory):
    paid = subscription()
    tick(memory, at(1, 1))
    (query,) = blocks("docs/audit.md", "sql")
    with connection.cursor() as cursor:
        cursor.execute(query.replace(TRAIL_ON_PAGE, str(paid.pk)))
        events = [row[0] for row in cursor.fetchall()]
    changed = [{**events[0], "amount": events[0]["amount"] + 1}, *events[1:]]

    answers = [checked(trail) for trail in (events, changed, events[1:])]

    trail = AuditTrail.objects.get(pk=paid.pk)
    intact = f"{trail.head_seq} events, intact; head {bytes(trail.head_hash).hex()}\n"
    broken = (1, "event 1 is not what was written\n")
    assert [(0, intact), broken, broken] == answers


def checked(trail: list[dict[str, object]]) -> tuple[int, str]:
    """Return how the script on the page ends for a trail, and what it says."""
    (script,) = blocks("docs/audit.md", "python")
    done = subprocess.run(
        [sys.executable, "-I", "-c", script],
        input="".join(f"{json.dumps(event)}\n" for event in trail),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_import_file_on_the_page_goes_in(memory, tmp_path):
    file = tmp_path / "subscribers.csv"
    file.write_text(blocks("docs/import.md", "csv")[0])
    told = StringIO()

    call_command("import_subscriptions", str(file), stdout=told)

    assert "3 imported, 0 there already, 0 refused\n" == told.getvalue()
    assert {"A-1001", "B-1002", "C-1003"} == set(
        Scheduler.objects.values_list("external_id", flat=True)
    )


def test_a_bad_row_of_an_import_is_named_as_on_the_page():
    header, row = blocks("docs/import.md", "csv")[0].splitlines()[:2]
    cells = dict(zip(header.split(","), row.split(","), strict=True)) | {"amount": "25.00"}

    with pytest.raises(Invalid) as refused:
        importing.read(3, cells)

    assert [f"line 3: {refused.value}\n"] == blocks("docs/import.md", "text")
