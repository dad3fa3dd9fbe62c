"""How large a run is, how long each kind of weather lasts, and how often each fault must happen."""

from dataclasses import dataclass, field

LEASE_SECONDS = 5.0
CALL_SECONDS = 1.0
CONNECT_SECONDS = 0.5
POINTS = (
    *("t1.begin", "t1.mid", "t1.precommit", "t1.postcommit"),
    *("http.before", "http.sent", "http.received"),
    *("t3.begin", "t3.mid", "t3.precommit", "t3.postcommit"),
    "rec.postcommit",
    *("relay.stored", "relay.fetched", "relay.applied"),
)
SETTINGS = {
    "BILLY_APPS": "tests.chaos.build",
    "BILLY_CONNECT_TIMEOUT_SECONDS": str(CONNECT_SECONDS),
    "BILLY_CALL_TIMEOUT_SECONDS": str(CALL_SECONDS),
    "BILLY_LEASE_SECONDS": str(LEASE_SECONDS),
    "BILLY_LOOK_SECONDS": "1,2,3x2,4x1000",  # Nobody is parked for a long black hole.
    "BILLY_PENDING_LOOK_SECONDS": "2",
    "BILLY_TICK_SECONDS": "0.5",
    "BILLY_SWEEP_SECONDS": "1",
    "BILLY_POLL_SECONDS": "3",
    "BILLY_BATCH_SIZE": "80",
    "BILLY_CALLS_AT_ONCE": "16",
    "BILLY_CALLBACKS_PER_SECOND": "100000",
    "BILLY_CALLBACKS_AT_ONCE": "1000000",
    "LOG_LEVEL": "WARNING",
    "PYTHONWARNINGS": "ignore",
}
# The processor's bad days, all of the time.
WEATHER = {
    "drop_after_commit": {"probability": 0.02},
    "error_before": {"probability": 0.01},
    "error_after": {"probability": 0.01},
    "late_commit": {"probability": 0.01, "after_seconds": 2.5},
    "too_many": {"probability": 0.01, "retry_after_seconds": 1},
    "decline": {"fraction": 0.03},
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One run. Counts are what must happen at least; seconds are how long something lasts."""

    name: str
    schedulers: int
    periods: int
    waves: int  # The load comes in so many parts, so that there is some until the last fault.
    seconds: float  # How long the faults go on, at least: longer where the load is slow.
    child_kills: int  # F1
    worker_kills: int  # F2
    point_hits: int  # F3, each
    freezes: int  # F4
    deploys: int  # F5
    web_kills: int  # F6
    redis_deaths: int  # F7
    flushes: int  # F8
    redis_stalls: int  # F8
    beatless_seconds: float  # F9
    crashes: int  # F10
    cuts: int  # F11
    lost: int  # F12
    error_seconds: float  # F13
    outages: int  # F17, of each of the two kinds
    outage_seconds: float
    slow_seconds: float  # F18
    wrong_bodies: int  # F19, of each of the six kinds
    sandbox_restarts: int  # F20
    callbacks: int  # F21
    forged: int  # F21
    admin_actions: int  # F22
    client_calls: int  # F23, each from eight threads
    skewed_seconds: float  # F24
    poisoned: int  # F26
    shuffle_seconds: float
    judges_waits: bool  # F18, F27: the last of a few answers or schedulers say nothing.
    workers: int = 3
    children: int = 2
    beats: int = 2
    shares: tuple[int, ...] = field(default=(80, 5, 5, 5, 5))  # F27, in hundredths
    cap_seconds: float = 60 * 60  # Where the machine is busy; what did not happen by then is void.


FULL = Plan(
    name="chaos",
    periods=50,
    schedulers=2_100,  # A few are canceled or paused by the bot, so that 100,000 are left.
    waves=6,
    seconds=600,
    child_kills=600,
    worker_kills=150,
    point_hits=20,
    freezes=20,
    deploys=20,
    web_kills=20,
    redis_deaths=5,
    flushes=5,
    redis_stalls=3,
    beatless_seconds=60,
    crashes=5,
    cuts=200,
    lost=1_000,
    error_seconds=30,
    outages=2,
    outage_seconds=30,
    slow_seconds=60,
    wrong_bodies=50,
    sandbox_restarts=2,
    callbacks=20_000,
    forged=500,
    admin_actions=2_000,
    client_calls=500,
    skewed_seconds=30,
    poisoned=4,
    shuffle_seconds=20,
    judges_waits=True,
)
GATE = Plan(
    name="chaos-gate",
    schedulers=525,
    periods=20,
    waves=2,
    seconds=70,
    child_kills=45,
    worker_kills=8,
    point_hits=3,
    freezes=2,
    deploys=2,
    web_kills=2,
    redis_deaths=1,
    flushes=1,
    redis_stalls=1,
    beatless_seconds=8,
    crashes=1,
    cuts=20,
    lost=300,
    error_seconds=5,
    outages=1,
    outage_seconds=3,
    slow_seconds=5,
    wrong_bodies=3,
    sandbox_restarts=1,
    callbacks=1_000,
    forged=50,
    admin_actions=100,
    client_calls=10,
    skewed_seconds=5,
    poisoned=2,
    shuffle_seconds=3,
    judges_waits=False,
    cap_seconds=15 * 60,
)
PLANS = {"run": FULL, "gate": GATE}
