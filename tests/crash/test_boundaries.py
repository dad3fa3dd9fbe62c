"""The instruments themselves: what they count, and that dead is dead."""

import io
import threading
from types import SimpleNamespace

import pytest
from django.db import connection, transaction

from conftest import change
from schedulers import jobs
from tests.crash import report
from tests.crash.boundaries import AFTER, BEFORE, MACHINE, Crash, Point, Process, Watch
from tests.crash.scenarios import SCENARIOS

pytestmark = pytest.mark.crash


@pytest.fixture
def process(machine):
    """A process that runs, and the table it writes to."""
    change("CREATE TABLE billy_test_goats (name text PRIMARY KEY)")
    MACHINE.watch = Watch()
    started = Process(MACHINE)
    yield started
    started.close()


def dies_at(number, side):
    MACHINE.watch = Watch([Point(number, side)])


def write(name):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("INSERT INTO billy_test_goats VALUES (%s)", [name])


def written():
    """What another process sees, once it need not wait for anybody's lock."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE billy_test_goats")
        cursor.execute("SELECT name FROM billy_test_goats")
        return [name for (name,) in cursor.fetchall()]


def test_whatever_psycopg2_sends_is_a_boundary(process):
    with process.running(), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT name FROM billy_test_goats")
        cursor.executemany("INSERT INTO billy_test_goats VALUES (%s)", [["a"], ["b"]])
        cursor.copy_expert("COPY billy_test_goats FROM STDIN", io.StringIO("c\n"))
        with transaction.atomic():
            cursor.callproc("pg_backend_pid")

    assert [
        "SELECT goats",
        "INSERT goats (many)",
        "COPY",
        "SAVEPOINT",
        "CALL pg_backend_pid",
        "RELEASE",
        "COMMIT",
    ] == MACHINE.watch.names


@pytest.mark.parametrize(
    ("number", "side", "left"),
    [(1, BEFORE, []), (1, AFTER, []), (2, BEFORE, []), (2, AFTER, ["goat"]), (3, AFTER, ["goat"])],
)
def test_a_crash_leaves_what_was_committed_and_nothing_else(process, number, side, left):
    dies_at(number, side)

    with process.running():
        if number < 3:
            with pytest.raises(Crash):
                write("goat")
        else:
            write("goat")

    assert left == written()
    assert (number < 3) == (not process.alive)


def test_a_dead_process_does_nothing_in_any_thread(process):
    dies_at(1, BEFORE)
    ends = []

    def lives_on():
        try:
            write("ghost")
        except BaseException as error:  # noqa: BLE001  # That is the question.
            ends.append(type(error))

    with process.running():
        with pytest.raises(Crash):
            write("goat")
        thread = threading.Thread(target=lives_on)
        thread.start()
        thread.join()
        with pytest.raises(Crash):
            write("ghost")

    assert [Crash] == ends
    assert written() == []


def test_a_bell_is_a_boundary(process):
    with process.running():
        jobs.tick.apply_async()

    assert MACHINE.watch.names == ["PUBLISH billy.tick"]


@pytest.mark.parametrize("side", [BEFORE, AFTER])
def test_a_process_dies_before_or_after_its_bell(process, side):
    dies_at(1, side)

    with process.running(), pytest.raises(Crash):
        jobs.tick.apply_async()

    assert not process.alive


def test_the_shares_of_the_double_crashes_add_up():
    shares = [report.doubles_of(each, SCENARIOS) for each in SCENARIOS]

    assert sum(shares) == report.DOUBLES
    assert max(shares) - min(shares) <= 1


def test_names_of_scenarios_can_be_typed_and_tell_them_apart():
    assert len({str(each) for each in SCENARIOS}) == len(SCENARIOS) >= 10


def test_points_are_read_as_a_failure_tells_them():
    assert [Point(12, AFTER), Point(17, BEFORE)] == report.points("12after,17before")


@pytest.mark.parametrize("text", ["", "12", "after", "12after;3before", "twelveafter"])
def test_points_that_are_none_are_refused(text):
    with pytest.raises(pytest.UsageError):
        report.points(text)


@pytest.mark.parametrize(("singles", "status"), [(report.SINGLES - 1, 1), (report.SINGLES, 0)])
def test_a_whole_run_with_too_few_crashes_fails(singles, status):
    told = {"success": {"of": 1, "singles": singles}}
    session = SimpleNamespace(
        exitstatus=0, config=SimpleNamespace(option=SimpleNamespace(crash_at=None))
    )

    report.judge(session, told)

    assert status == session.exitstatus
