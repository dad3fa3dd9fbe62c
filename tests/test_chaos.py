"""The harness of chaos: its calendar, its judge and its verdict can each say no.

That whole runs turn red is shown by `make chaos-mutants`; here are the parts, without processes.
"""

import os
import random
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest

from core.frequency import Frequency
from schedulers.timers import Timer
from tests.chaos import report
from tests.chaos.children import Child, state_of, wait_until
from tests.chaos.crowd import crowd
from tests.chaos.findings import Line
from tests.chaos.judge import money
from tests.chaos.judge.books import Row
from tests.chaos.notebook import Notebook
from tests.chaos.plan import FULL, GATE, POINTS
from tests.chaos.weather import Weather

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


class Books:
    """Both sides of one payment of 100, as the judge reads them; `changes` break something."""

    def __init__(self, *, objects=None, **changes):
        there = {"id": "WD1", "type": "debit", "status": "succeeded", "amount": 100}
        there |= {"currency": "USD", "key": "k", "marketplace": "M", "meta": {}}
        self.objects = [Row(there | each) for each in objects or [{}]]
        self.by_key = {"k": [each for each in self.objects if each.key == "k"]}
        self.by_key |= {each.key: [each] for each in self.objects if each.key != "k"}
        attempt = {"id": 1, "kind": "debit", "amount": 100, "currency": "USD", "key": "k"}
        self.attempts = [Row(attempt | {"state": "succeeded"} | changes)]
        self.attempt_by_key = {each.key: each for each in self.attempts}
        self.companies = [Row({"id": "C", "processor_account": "balanced:M"})]
        feed = {"company_id": "C", "currency": "USD", "direction": "debit", "captured": 100}
        self.feeds = [Row(feed | {"returned": 0, "refunded": 0})]
        moved = {"company_id": "C", "currency": "USD", "kind": "debit", "moved": 100}
        self.moved = [Row(moved)]


def test_the_judge_says_nothing_of_books_that_agree():
    assert list(money.complaints(Books())) == []


@pytest.mark.parametrize(
    ("books", "letters"),
    [
        (Books(objects=[{"amount": 101}]), {"b", "c"}),
        (Books(objects=[{"status": "failed"}]), {"b", "c"}),
        (Books(objects=[{"status": "pending"}]), {"b", "c"}),
        (Books(objects=[{}, {"id": "WD2", "key": "other"}]), {"a", "b", "c"}),
        (Books(objects=[{}, {"id": "WD2"}]), {"a", "b", "c"}),
        (Books(state="declined"), {"c"}),
        (Books(state="parked"), {"c"}),
        (Books(amount=99), {"c"}),
    ],
)
def test_the_judge_sees_what_does_not_agree(books, letters):
    assert letters == {text[0] for text in money.complaints(books)}


@pytest.mark.parametrize("plan", [FULL, GATE])
def test_the_calendar_of_the_judge_and_that_of_billy_agree(plan):
    payers = crowd(plan, now=NOW, chance=random.Random(1))

    for payer in payers[:100]:
        timer = Timer(
            frequency=Frequency(payer.frequency), anchor_at=payer.instant(0), time_zone=payer.zone
        )
        every = range(payer.periods)
        assert [payer.instant(n) for n in every] == [timer.occurrence(n) for n in every]


@pytest.mark.parametrize(("plan", "fewest"), [(FULL, 105_000), (GATE, 10_000)])
def test_the_load_is_as_large_as_is_said(plan, fewest):
    payers = crowd(plan, now=NOW, chance=random.Random(1))

    assert sum(payer.periods for payer in payers) >= fewest
    assert 0.19 < sum(payer.direction == "credit" for payer in payers) / len(payers) < 0.21
    assert 0.79 < sum(payer.company == 0 for payer in payers) / len(payers) < 0.81


def line(planned, happened):
    return Line(fault="F1", what="a kill", planned=planned, happened=happened, held="G")


@pytest.mark.parametrize(
    ("lines", "complaints", "verdict"),
    [
        ([line(1, 1)], [], report.GREEN),
        ([line(2, 1)], [], report.VOID),
        ([line(1, 1)], ["a: twice"], report.RED),
        ([line(2, 1)], ["a: twice"], report.RED),
    ],
)
def test_a_run_without_its_faults_is_void_and_one_that_broke_is_red(lines, complaints, verdict):
    assert verdict == report.verdict_of(lines, complaints)


def test_the_table_is_at_most_eighty_columns_wide(capsys):
    report.table([line(20_000, 1), line(1, 200_000)])

    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_the_notebook_reads_whole_lines_only(tmp_path):
    notes = tmp_path / "notes"
    notes.write_text(f"hit 7 1.000 {POINTS[0]}\ntick 7 1.5\nrecovered 7 2.0 12\nhit 7 2.1 t1")
    notebook = Notebook(notes)

    notebook.read()
    with notes.open("a") as file:
        file.write(".mid\n")
    notebook.read()

    assert (notebook.hits[POINTS[0]], notebook.hits["t1.mid"], notebook.recovered) == (1, 1, 12)
    assert notebook.longest_gap(1.0, 4.0) == 2.5


def test_the_weather_keeps_count_when_the_sandbox_forgets():
    class Till:
        struck = {"outage": 2}

        def call(self, *_, **__):
            return {"happened": self.struck}

    class World:
        def till(self):
            return till

    till = Till()
    weather = Weather(World())
    weather.will_forget()
    till.struck = {"outage": 1}

    assert weather.struck()["outage"] == 3


@pytest.fixture
def sleeper(tmp_path):
    """A process that starts another of its own group, and waits."""
    child = Child(
        "sleeper",
        ["/bin/sh", "-c", "sleep 60 & echo $!; wait"],
        log=tmp_path / "log",
        environment={"PATH": os.defpath},
    )
    yield child
    child.kill()


def test_a_child_ends_with_all_of_its_own(sleeper):
    wait_until(lambda: sleeper.log.read_text().strip(), what="the child")
    (inner,) = sleeper.children()

    status = sleeper.kill()

    assert (status, sleeper.lives) == (-signal.SIGKILL, False)
    wait_until(lambda: state_of(inner) == "Z", what="the end of its own")


def test_a_dead_child_keeps_its_number_until_it_is_buried(sleeper):
    os.kill(sleeper.pid, signal.SIGKILL)

    assert sleeper.wait(10)
    assert Path(f"/proc/{sleeper.pid}").exists()
    assert sleeper.kill() == -signal.SIGKILL
    assert not Path(f"/proc/{sleeper.pid}").exists()
    sleeper.signal_all(signal.SIGKILL)  # To nobody: its number may be anybody's by now.
