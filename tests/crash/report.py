"""The pytest plugin that counts for everybody: what was found, what was covered, with which seed.

Loaded by `-p tests.crash.report` in pytest.ini, since with several processes only a plugin of the
first one can add up. The list of every boundary goes to `var/crash-boundaries.txt`.
"""

from __future__ import annotations

import os
import secrets

import pytest

from billy.places import VAR

SINGLES = 1_200  # A run of all scenarios that crashes less often than this proves too little.
DOUBLES = 2_000
LIST = VAR / "crash-boundaries.txt"


def pytest_addoption(parser):
    """Take the boundaries of one run, as a failure names them."""
    parser.addoption(
        "--crash-at",
        metavar="POINTS",
        help="with -k and a scenario: crash just there, such as 12after or 12after,17before",
    )


def pytest_configure():
    """Choose the seed, once for all processes: those that pytest starts inherit it."""
    drawn = "1" if os.environ.get("CI") else str(secrets.randbelow(10**6))
    os.environ.setdefault("CRASH_SEED", drawn)


def seed():
    """Return the seed of this run."""
    return os.environ["CRASH_SEED"]


def points(text):
    """Read `12after,17before`; what a failure says in brackets is passed over."""
    from tests.crash.boundaries import SIDES, Point

    found = []
    for part in text.split(","):
        word = part.partition("(")[0].strip()
        side = next((each for each in SIDES if word.endswith(each)), None)
        if side is None or not word.removesuffix(side).isdigit():
            message = f"--crash-at must be like 12after,17before, not {text!r}"
            raise pytest.UsageError(message)
        found.append(Point(int(word.removesuffix(side)), side))
    return found


def doubles_of(scenario, scenarios):
    """Return the scenario's share of the double crashes; the shares add up to all of them."""
    place = scenarios.index(scenario)
    return DOUBLES // len(scenarios) + (place < DOUBLES % len(scenarios))


def summary(account, *, of):
    """Return an account as plain values, which travel from process to process."""
    return {
        "scenario": account.scenario,
        "names": account.names,
        "singles": len(account.covered),
        "doubles": account.doubles,
        "in_recovery": sorted(account.in_recovery),
        "missed": sorted({each.number for each in account.missed}),
        "seed": seed(),
        "of": of,
    }


def pytest_runtest_logreport(report):
    """Collect what the tests recorded, whichever process ran them."""
    if report.when == "call":
        for name, value in report.user_properties:
            if name == "crash":
                COLLECTED[value["scenario"]] = value


def pytest_sessionfinish(session):
    """Judge the whole, where all scenarios were told."""
    judge(session, COLLECTED)


def judge(session, told):
    """Fail a run of all scenarios that crashed too seldom: it would prove too little."""
    whole = told and len(told) == next(iter(told.values()))["of"]
    if whole and not session.config.option.crash_at and singles(told) < SINGLES:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter):
    """Print what was found and covered, per scenario and in all."""
    if not COLLECTED:
        return
    told = sorted(COLLECTED.values(), key=lambda each: each["scenario"])
    kinds = {name for each in told for name in each["names"]}
    terminalreporter.section("boundaries")
    for each in told:
        terminalreporter.write_line(
            f"{each['scenario']}: {len(each['names'])} found, {covered(each)} covered;"
            f" {each['singles']} single and {each['doubles']} double crashes"
        )
    terminalreporter.write_line(
        f"in all {sum(len(each['names']) for each in told)} boundaries of {len(kinds)} kinds,"
        f" {sum(map(covered, told))} covered; {singles(COLLECTED)} single crashes ({SINGLES} are"
        f" the least of a whole run) and {sum(each['doubles'] for each in told)} double ones;"
        f" CRASH_SEED={told[0]['seed']}; all are listed in {LIST.relative_to(VAR.parent)}"
    )
    LIST.parent.mkdir(exist_ok=True)
    LIST.write_text("\n".join(listed(told)) + "\n", encoding="utf-8")


def listed(told):
    """Return the lines of the list: every boundary by its number, and what is not covered."""
    for each in told:
        yield f"{each['scenario']}"
        for number, name in enumerate(each["names"], 1):
            yield f"{number:5} {name}" + (" NOT COVERED" if number in each["missed"] else "")
        yield f"      second crashes, while others recovered: {', '.join(each['in_recovery'])}"


def covered(told):
    """Return how many boundaries of a scenario were crashed at, as often as it says."""
    return len(told["names"]) - len(told["missed"])


def singles(told):
    """Return how many single crashes there were, in all scenarios that were told."""
    return sum(each["singles"] for each in told.values())


COLLECTED: dict[str, dict[str, object]] = {}
