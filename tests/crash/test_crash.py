import time, os
import pytest
from tests.crash.scenarios import SCENARIOS
from tests.crash.telling import Teller

pytestmark = pytest.mark.crash

@pytest.mark.parametrize("scenario", SCENARIOS, ids=str)
def test_it(stage, scenario):
    t0=time.process_time(); w0=time.time()
    teller = Teller(stage(hide_keys=scenario.hide_keys), scenario)
    print(len(teller.account.names), teller.account.names, teller.end)
    assert teller.account.wrong == []
    if os.environ.get("FAST"): return
    teller.singles()
    n=len(teller.account.covered)
    print("singles", n, (time.process_time()-t0)/n, (time.time()-w0)/n)
    t0=time.process_time(); w0=time.time()
    teller.doubles(20, seed=1)
    print("doubles", (time.process_time()-t0)/20, (time.time()-w0)/20)
    assert teller.account.wrong == []
    assert teller.account.missed == []
