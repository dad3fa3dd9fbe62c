"""Crash at every boundary, recover, and look whether money moved twice or was lost.

The seed of the double crashes (and of the side, where one is enough) is CRASH_SEED, or 1 where CI
is set, or drawn; it is printed. A failure names its boundaries; `--crash-at` tells that one run
again.
"""

import pytest

from tests.crash import report
from tests.crash.scenarios import SCENARIOS
from tests.crash.telling import Teller

pytestmark = pytest.mark.crash

MOST_SHOWN = 10  # One mistake of the engine may show at hundreds of boundaries.


@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_a_crash_at_any_boundary_loses_and_doubles_nothing(
    scenario, stage, request, record_property
):
    teller = Teller(stage(scenario.edge), scenario)

    doubles = report.doubles_of(scenario, SCENARIOS)
    if only := request.config.option.crash_at:
        teller.again(report.points(only))
    else:
        teller.singles(seed=report.seed())
        teller.doubles(doubles, seed=report.seed())
    teller.ends()

    record_property("crash", report.summary(teller.account, of=len(SCENARIOS)))
    assert [] == teller.account.wrong[:MOST_SHOWN]
    assert [] == teller.account.missed or only
    assert doubles == teller.account.doubles or only
