"""The documentation says what is true: its links lead somewhere, its tables are computed again."""

import ast
import re
from datetime import UTC, date, datetime, time, timedelta
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from django.core.management import get_commands

from accounts.models import Company, Customer
from audit.kinds import KINDS
from billy.environment import FILE_NAMES
from core.frequency import Frequency
from core.walltime import at_wall_time, zone_named
from invoices import retry
from invoices.attempts import Held
from invoices.settle import step
from plans.models import Plan
from schedulers import occurrences
from schedulers.claim import Due
from schedulers.holidays import moved
from schedulers.importing import COLUMNS
from schedulers.limits import LOOKS
from schedulers.subscribe import Subscription, drafted
from schedulers.timers import Timer, anchor_from
from tasks.outcome import Outcome, Verdict
from tests.pages import PAGES, name_of, page, rows

LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
ADDRESS = re.compile(r"https?://[^\s)`\"'>|]+")
# Whoever reads the pages elsewhere cannot follow a path of the machine on which they were written.
ABSOLUTE = re.compile(r"(?<![\w.:/])/(root|home|work|Users|mnt|opt|srv|tmp)/")
HOSTS = {
    "api.balancedpayments.com",
    "billing.example.com",
    "hooks.example.com",
    "keepachangelog.com",
    "127.0.0.1",
    "localhost",
    "…",
}
MARKER = "this page with it. What the columns of an event mean is in [audit.md](audit.md)."
DECISIONS = [path for path in PAGES if re.fullmatch(r"docs/decisions/\d.*", name_of(path))]


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_every_link_leads_to_a_file(path):
    targets = [found["target"].partition("#")[0] for found in LINK.finditer(path.read_text())]

    missing = [
        target
        for target in targets
        if target and "://" not in target and not (path.parent / target).exists()
    ]

    assert missing == []


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_a_page_names_no_place_that_its_reader_cannot_reach(path):
    text = path.read_text()

    hosts = {urlsplit(address).hostname for address in ADDRESS.findall(text)}

    assert hosts <= HOSTS
    assert ABSOLUTE.findall(text) == []


def test_every_page_is_linked_from_another():
    linked = {
        (path.parent / found["target"].partition("#")[0]).resolve()
        for path in PAGES
        for found in LINK.finditer(path.read_text())
    }

    orphans = {name_of(path) for path in PAGES if path.resolve() not in linked}

    assert orphans <= {"README.md"}


def test_decisions_are_numbered_and_listed_under_their_titles():
    titles = {path.name: path.read_text().partition("\n")[0] for path in DECISIONS}

    expected = [
        f"| {title[2:6]} | [{title[8:]}]({name}) |" for name, title in sorted(titles.items())
    ]

    assert [f"{number:04}" for number in range(1, len(titles) + 1)] == [
        name[:4] for name in sorted(titles)
    ]
    assert expected == [
        line for line in page("docs/decisions/README.md").splitlines() if re.match(r"\| \d", line)
    ]


@pytest.mark.parametrize("path", DECISIONS, ids=name_of)
def test_a_decision_is_short_and_says_what_would_change_it(path):
    text = path.read_text()

    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)

    assert headings == ["Context", "Decision", "Consequences", "What would change it"]
    assert 20 <= len(text.splitlines()) <= 40


# --- The README's tables ----------------------------------------------------------------------


def variables() -> dict[str, object]:
    """Return every variable that the settings read, with its default where that is a literal."""
    found: dict[str, object] = {"BILLY_NO_BOOTSTRAP": ..., "DATABASE_URL": ...}
    for node in ast.walk(ast.parse(page("billy/settings.py"))):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "_secrets":
            found[ast.literal_eval(node.slice)] = ...
        elif isinstance(node, ast.Call) and re.fullmatch(r"env\.\w+", ast.unparse(node.func)):
            default = next(each.value for each in node.keywords if each.arg == "default")
            try:
                found[ast.literal_eval(node.args[0])] = ast.literal_eval(default)
            except ValueError:
                found[ast.literal_eval(node.args[0])] = ...  # Computed from other variables.
    return found


def shown(default: object) -> str:
    if isinstance(default, bool):
        return "on" if default else "off"
    if isinstance(default, list):
        return ",".join(default) or "none"
    return str(default) or "none"


def test_the_configuration_table_holds_every_variable_with_its_default():
    expected = variables()

    told = {name: default for name, default, _ in rows("README.md", "## Configuration")}

    assert expected.keys() == told.keys()
    literal = {name: default for name, default in expected.items() if default is not ...}
    assert {name: shown(default) for name, default in literal.items()} == {
        name: told[name] for name in literal
    }


def test_every_variable_is_explained_for_operators():
    text = page("docs/operating.md")

    unexplained = [
        name for name in {*variables(), *FILE_NAMES} if not re.search(rf"`{name}[`=]", text)
    ]

    assert unexplained == []


def test_the_table_of_commands_is_complete():
    ours = {name for name, app in get_commands().items() if app == "billy"} | {"test"}

    told = {cells[0].split()[0] for cells in rows("README.md", "## Commands")}

    assert ours == told


def test_every_kind_of_event_is_told_with_its_meaning():
    told = dict(rows("docs/events.md", MARKER))

    assert KINDS == told


def test_the_columns_of_an_import_file_are_all_explained():
    told = [
        column.strip("`")
        for names, *_ in rows("docs/import.md", "## The columns")
        for column in names.split("`, `")
    ]

    assert list(COLUMNS) == told


# --- Money ------------------------------------------------------------------------------------


def test_the_page_on_money_says_what_each_answer_makes_of_an_attempt():
    told = {answer: state for answer, state, _ in rows("docs/money.md", "## What an answer means")}

    computed = {str(verdict): after(verdict) for verdict in Verdict}

    assert computed == told


def after(verdict):
    """Return the state of an attempt after an answer, as settling decides it."""
    returned, looked_up = verdict == Verdict.RETURNED, verdict == Verdict.ABSENT
    held = Held(
        **dict.fromkeys(("transaction_id", "company_id", "trail_id", "feed_id", "customer_id")),
        **dict.fromkeys(("key", "target_uri", "statement_text", "processor_account"), ""),
        occurrence=0,
        direction="debit",
        kind="debit",
        attempt=1,
        step=0,
        state="succeeded" if returned else "intent",
        lease_token=1,
        amount=100,
        currency="USD",
        terms={},
        instrument_id=None,
        instrument_kind="card",
        opened_at=noon("28 Feb 2026"),
        fresh=not looked_up,
    )
    outcome = Outcome(
        transaction_id=held.transaction_id, verdict=Verdict.DECLINED if returned else verdict
    )
    return step(held, outcome, now=held.opened_at, looks=LOOKS).state


# --- Time -------------------------------------------------------------------------------------


def table(name: str) -> list[list[str]]:
    return rows("docs/time.md", f"<!-- table: {name} -->")


def day(text: str) -> date:
    return datetime.strptime(text, "%d %b %Y").replace(tzinfo=UTC).date()


def noon(text: str) -> datetime:
    return datetime.combine(day(text), time(12), UTC)


def written(moment: date) -> str:
    return f"{moment.day} {moment:%b %Y}"


def short(moment: date) -> str:
    return f"{moment.day} {moment:%b}"


def first(timer: Timer, told: str) -> str:
    """Return as many occurrences of a timer as the page tells."""
    return ", ".join(written(timer.occurrence(n)) for n in range(told.count(",") + 1))


@pytest.mark.parametrize("row", table("occurrences") + table("last_day"), ids=" ".join)
def test_occurrences_are_those_on_the_page(row):
    anchor, every, told = row
    interval, frequency = every.split()
    timer = Timer(
        frequency=Frequency(frequency),
        interval=int(interval),
        anchor_at=anchor_from(day(anchor), time_zone="UTC"),
        time_zone="UTC",
        month_end="last_day" if row in table("last_day") else "same_day",
    )

    assert first(timer, told) == told


@pytest.mark.parametrize("row", table("rules"), ids=" ".join)
def test_rules_match_the_days_on_the_page(row):
    anchor, rule, told = row
    anchor_at = anchor_from(day(anchor), time_zone="UTC")

    timer = Timer.from_rule(rule, anchor_at=anchor_at, time_zone="UTC")

    assert first(timer, told) == told


@pytest.mark.parametrize("row", table("walltime"), ids=" ".join)
def test_clocks_on_the_wall_mean_the_instants_on_the_page(row):
    zone, local, told = row
    wall = datetime.strptime(local, "%d %b %Y %H:%M").replace(tzinfo=UTC)

    instant = at_wall_time(wall.date(), wall.time(), zone_named(zone))

    assert f"{written(instant)} {instant:%H:%M}" == told


@pytest.mark.parametrize("row", table("trials"), ids=" ".join)
def test_trials_end_where_the_page_says(row):
    start, trial, told = row
    company = Company(pk=UUID(int=1), currency="USD", time_zone="UTC")
    wanted = Subscription(
        plan=Plan(
            company=company,
            direction="debit",
            task="fixed-debit",
            amount=100,
            currency="USD",
            frequency="monthly",
            trial_days=None if trial == "none" else int(trial.split()[0]),
        ),
        customer=Customer(pk=UUID(int=2), company=company),
        started_at=day(start),
    )

    scheduler = drafted(wanted, now=noon(start))

    assert first(scheduler.timer(), told) == told
    assert (trial != "none") == (scheduler.state == "trialing")


@pytest.mark.parametrize("row", table("shifts"), ids=" ".join)
def test_business_days_are_those_on_the_page(row):
    nominal, previous, following, _ = row
    planned = day(nominal.partition(" ")[2])

    shifted = [planned, moved(planned, shift="previous"), moved(planned, shift="following")]

    assert [f"{each:%a} {written(each)}" for each in shifted] == [nominal, previous, following]


@pytest.mark.parametrize("row", table("catch_up"), ids=" ".join)
def test_what_was_missed_is_caught_up_as_the_page_says(row):
    due = missed_since_april(catch_up=row[0])
    timer = due.timer()

    decision = occurrences.decide(due, timer, now=noon("2 Jun 2026"))

    def days(numbers):
        return ", ".join(short(timer.occurrence(n)) for n in numbers) or "none"

    assert [
        row[0],
        days(decision.opens),
        days(decision.skipped),
        "draft" if decision.draft else "open",
        short(decision.next_run_at),
    ] == row


def missed_since_april(*, catch_up):
    """Return a scheduler of every first of the month from 1 January 2026 on, due since April."""
    anchor_at = anchor_from(date(2026, 1, 1), time_zone="UTC")
    values = dict.fromkeys(Due._fields)
    texts = ("instrument_kind", "instrument_uri", "processor_account", "statement_text", "rule")
    return Due(
        **values
        | dict.fromkeys(texts, "")
        | {
            "trail_id": UUID(int=3),
            "task": "fixed-debit",
            "computed": False,
            "amount": 100,
            "currency": "USD",
            "frequency": "monthly",
            "interval": 1,
            "month_end": "same_day",
            "shift": "none",
            "anchor_at": anchor_at,
            "started_at": anchor_at,
            "anchor_occurrence": 0,
            "time_zone": "UTC",
            "occurrence": 3,
            "next_run_at": anchor_from(date(2026, 4, 1), time_zone="UTC"),
            "state": "active",
            "version": 1,
            "catch_up": catch_up,
        }
    )


REFUSALS = {
    "card, declined for now": retry.Refusal(kind="card", code="card-declined"),
    "card, lost or stolen": retry.Refusal(kind="card", hard=True),
    "bank account, R01": retry.Refusal(kind="bank_account", code="R01"),
    "bank account, R10": retry.Refusal(kind="bank_account", code="R10"),
    "payout": retry.Refusal(kind="payout"),
}


@pytest.mark.parametrize("row", table("retries"), ids=" ".join)
def test_what_was_refused_is_tried_again_on_the_days_of_the_page(row):
    refused, told = row
    opened_at = now = noon("28 Feb 2026")
    tries: list[datetime] = []

    while planned := retry.after(
        policy=retry.Policy(),
        refusal=REFUSALS[refused],
        step=len(tries),
        first_declined_at=opened_at,
        now=now,
        time_zone="UTC",
    ):
        now = planned.due_at + timedelta(seconds=1)
        tries.append(planned.due_at)

    assert (", ".join(map(short, tries)) or "never") == told
    assert {9} >= {each.hour for each in tries}
