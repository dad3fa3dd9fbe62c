"""The benchmark compares like with like, looks at what was done, and can be read."""

import pytest
from django.core.management.base import CommandError
from django.db import connection, transaction

from audit.sets import execute, fetch
from billy.bench import checked, children, engine, limit, past, plain, report, stage
from billy.bench.cases import Sizes
from billy.bench.counted import Count, counting
from billy.bench.database import server
from billy.bench.figures import Book, Figures, side_by_side, waited
from billy.bench.growth import Point
from billy.bench.measure import Meter, Sample
from billy.bench.rounds import Rounds
from billy.bench.twins import Apart
from billy.bench.wire import waiting
from billy.management.commands.bench import chosen
from invoices.models import AuditFeed, Transaction
from invoices.naming import feed_id, transaction_id
from processors.memory import Memory
from schedulers.limits import Limits

MANY = 200
WRITTEN = ("billy_invoices_auditfeed", "billy_invoices_transaction", "billy_audit_auditevent")
KEPT = (
    "SELECT conname FROM pg_constraint UNION SELECT relname FROM pg_class WHERE relkind = 'i'"
    " UNION SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
)


@pytest.fixture
def crowd(database):
    """Four shops with two hundred subscribers, all of them due."""
    stage.open_companies()
    stage.add_schedulers(MANY)


def by_limit(cycles):
    return limit.run(now=stage.DUE_AT, batch_size=50, cycles=cycles)


def by_plain_loop(cycles):
    return plain.run(processor=Apart(), now=stage.DUE_AT, cycles=cycles)


def by_billy(processor=None):
    limits = Limits(batch_size=50, calls_at_once=1)
    return engine.run(processor=processor or Memory(), now=stage.DUE_AT, limits=limits)


def ids(table):
    return {row[0] for row in fetch(f"SELECT id FROM {table}")}


def columns(table, these):
    """Return for each column how many of these rows fill it, and the mean length of its text."""
    found = fetch(
        "SELECT e.key, count(*) FILTER (WHERE e.value <> 'null'), avg(length(e.value::text))"
        f" FROM {table} t, jsonb_each(to_jsonb(t)) AS e WHERE t.id = ANY(%s::uuid[]) GROUP BY 1",
        ["{" + ",".join(map(str, these)) + "}"],
    )
    return {name: (filled / len(these), float(length)) for name, filled, length in found}


@pytest.mark.parametrize("way", [by_limit, by_plain_loop])
def test_what_billy_is_compared_with_writes_the_same_columns_of_the_same_sizes(crowd, way):
    before = {table: ids(table) for table in WRITTEN}
    way(MANY // 2)
    theirs = {table: ids(table) - before[table] for table in WRITTEN}

    by_billy()

    for table in WRITTEN:
        ours = columns(table, ids(table) - theirs[table] - before[table])
        for name, (filled, length) in columns(table, theirs[table]).items():
            assert (name, pytest.approx(ours[name][0], abs=0.01)) == (name, filled)
            assert (name, pytest.approx(ours[name][1], rel=0.06, abs=0.6)) == (name, length)


@pytest.mark.parametrize("way", [by_limit, by_plain_loop, lambda _: by_billy()])
def test_every_way_leaves_whole_cycles_with_sound_chains(crowd, way):
    done = way(MANY)

    assert MANY == done == checked.cycles_done()


def test_the_limit_derives_the_ids_that_billy_would(crowd):
    by_limit(50)

    for feed in AuditFeed.objects.all():
        assert feed_id(trail=feed.trail_id, due_at=feed.due_at, occurrence=0) == feed.pk
        attempt = Transaction.objects.get(feed=feed)
        assert transaction_id(feed=feed.pk, kind="debit", attempt=1) == attempt.pk


def test_the_limit_needs_two_transactions_of_one_statement_for_a_batch(crowd):
    with counting():
        before = Count.taken()
        by_limit(100)

        statements, commits = (now - then for now, then in zip(Count.taken(), before, strict=True))

    assert (4, 4) == (statements, commits)


def test_the_limit_does_the_same_in_bare_tables(crowd):
    stage.strip()

    by_limit(MANY)

    assert MANY == checked.cycles_done()
    assert [] == fetch("SELECT 1 FROM pg_constraint WHERE conname = 'event_seq_once'")


def test_an_attempt_that_was_not_settled_is_no_cycle(crowd):
    by_limit(50)
    limit.begin(now=stage.DUE_AT, batch_size=50)

    with pytest.raises(checked.WorkNotDone, match="100 occurrences, and 50 settled"):
        checked.cycles_done()


def test_a_chain_that_does_not_fit_is_no_cycle(crowd):
    by_limit(50)
    execute("UPDATE billy_audit_audittrail SET head_hash = '\\x00' WHERE head_seq = 3")

    with pytest.raises(checked.WorkNotDone, match="does not fit it"):
        checked.cycles_done()


def test_two_processes_share_the_work(crowd, database):
    connection.close()

    told = children.ask_at_once("by_billy", url=database.url, times=2)

    assert MANY == checked.cycles_done()
    both = Sample(**told[0]).and_beside(Sample(**told[1]))
    assert sum(each["cycles"] for each in told) == both.cycles
    assert max(each["ended"] for each in told) == both.ended


def test_a_past_is_one_that_billy_could_have_left(crowd):
    kept = set(fetch(KEPT))
    with past.unguarded():
        assert kept - set(fetch(KEPT))
        past.add()

    assert MANY == checked.cycles_done()
    assert kept == set(fetch(KEPT))


def test_the_next_month_follows_upon_a_past(crowd):
    past.add()

    engine.run(processor=Apart(), now=stage.NEXT_DUE_AT, limits=Limits(calls_at_once=1))

    assert 2 * MANY == checked.cycles_done()


def test_a_meter_counts_statements_commits_rows_and_wal(crowd):
    with counting(), Meter() as meter:
        with transaction.atomic():
            execute("UPDATE billy_accounts_company SET updated_at = updated_at")
        fetch("SELECT 1")

    told = (meter.sample.statements, meter.sample.commits, meter.sample.rows)
    assert (2, 1, len(stage.ZONES)) == told
    assert meter.sample.wal_bytes > 0


def sample(rate, *, statements=100, cpu_seconds=1.0):
    return Sample(
        cycles=1000,
        began=0,
        ended=1000 / rate,
        cpu_seconds=cpu_seconds,
        statements=statements,
        commits=10,
        rows=9000,
        wal_bytes=6_000_000,
        peak_mb=70,
    )


def figures(key, *rates):
    return Figures(key=key, title=f"case {key}", samples=[sample(rate) for rate in rates])


def test_a_ratio_compares_what_ran_in_the_same_round():
    # A slow machine in the second round: each pair stands as one to two all the same.
    found = {"a": figures("a", 2000, 200, 1000), "b": figures("b", 1000, 100, 500)}

    ratio = next(iter(side_by_side(found)))

    assert ("b / a", 0.5, True) == (ratio.name[:5], ratio.value, ratio.reached)


def test_a_promise_that_is_not_kept_is_told_as_such():
    found = {"b": figures("b", 500), "e": figures("e", 100)}

    told = [line for line in report.lines(book(found)) if "b / e" in line]

    assert told[0].endswith("NOT REACHED")


def test_waiting_is_compared_with_calls_at_once_by_latency():
    ratio = waited(figures("d100", 400, 450, 500), waiting(100))

    assert (0.9, True) == (ratio.value, ratio.reached)


def book(found):
    made = Book(about=dict.fromkeys(("date", "server", "settings", "machine"), "here"))
    made.figures = found
    made.ratios = list(side_by_side(found))
    made.ticks = [Point(schedulers=1_000_000, past=0, values=[1.0, 2.0, 3.0])]
    made.growth = [Point(schedulers=1_000_000, past=1_000_000, values=[10_000.0, 2.0, 3.0])]
    return made


def test_the_report_fits_a_terminal():
    keys = ("a0", "a", "b", "c", "d200", "e")
    found = {key: figures(key, 0.5, 12_345, 99_999) for key in keys}

    lines = [part for line in report.lines(book(found)) for part in line.splitlines()]

    assert len(lines) > 20
    assert [line for line in lines if len(line) > report.WIDTH] == []


def test_a_case_that_does_not_exist_is_named():
    with pytest.raises(CommandError, match="there is no x; there are a0, a, b"):
        chosen("b,x")


def test_the_runs_leave_no_database_behind(database):
    said = []
    sizes = Sizes(runs=1, cycles=60, plain_cycles=10)
    found = Book()
    with server() as made:
        Rounds(server=made, sizes=sizes, only={"a", "b"}, book=found, say=said.append).run()

    assert {"a", "b"} == set(found.figures)
    assert [] == fetch("SELECT datname FROM pg_database WHERE datname LIKE %s", [f"{made.run}%"])
    assert any("run 1 of 1  b" in line for line in said)
