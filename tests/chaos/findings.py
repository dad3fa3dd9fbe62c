"""What a run came to: a line for each fault, what the judge complains of, and the verdict."""

from dataclasses import dataclass
from uuid import UUID

from core.ids import PREFIXES, guid
from tests.chaos.plan import POINTS

SECONDS_TO_CALM = 60
TICK_GAP_SECONDS = 20
WEB_RATIO = 1.5
WEB_UNHURT_SECONDS = 0.1  # Below this nobody is hurt, whatever the ratio of two small numbers.
REQUEST_RATIO = 1.2
CROWD_RATIO = 2.0


@dataclass(frozen=True, kw_only=True)
class Line:
    """One fault: how often it was to happen at least, how often it did, and what of it held."""

    fault: str
    what: str
    planned: float
    happened: float
    held: str

    @property
    def is_void(self):
        return self.happened < self.planned


def lines(storm, probe, books):
    """Return a line for each fault of the matrix."""
    rows = [
        *killed(storm),
        *broken(storm),
        *from_the_processor(storm, probe),
        *by_people(storm, books),
        *in_the_load(storm, books),
    ]
    return [
        Line(fault=fault, what=what, planned=planned, happened=happened, held=held)
        for fault, what, planned, happened, held in rows
    ]


def killed(storm):
    """Return F1 to F6."""
    plan, did, hits = storm.plan, storm.happened, storm.notebook.hits
    fewest = min(POINTS, key=lambda point: hits[point])
    kept = did["workers that were deaf"] + did["workers that were hung"]
    late, seen = f"{storm.notebook.fenced} late, no row", f"{did['F5 undisturbed']} looked into"
    return [
        ("F1", "SIGKILL of a pool child", plan.child_kills, did["F1"], "G"),
        ("F2", "SIGKILL of a worker", plan.worker_kills, did["F2"], "G"),
        ("F3", f"self-SIGKILL, fewest {fewest}", plan.point_hits, hits[fewest], "G"),
        ("F4", "SIGSTOP beyond the lease", plan.freezes, did["F4"], late),
        ("F4", "answers that came too late", 1, storm.notebook.fenced, "changed no row"),
        ("F5", "SIGTERM in a batch", plan.deploys, did["F5"], seen),
        ("F5", "workers that Celery kept waiting", 0, kept, "killed at last"),
        ("F6", "web SIGKILL (no relay exists)", plan.web_kills, did["F6"], "G"),
    ]


def broken(storm):
    """Return F7 to F13: Redis, beats, PostgreSQL."""
    plan, did, counts = storm.plan, storm.happened, storm.notebook.counts
    gaps = [f"tick gap {gap:.0f} s" for gap in (redis_gap(storm), gap_of(storm, "F9"))]
    beatless = storm.windows.seconds["F9"]
    lost, settled = len(storm.rewind.keys_lost), storm.rewind.settled_lost
    frozen = int(bool(storm.rewind.operator))
    return [
        ("F7", "Redis dies, comes back empty", plan.redis_deaths, did["F7"], gaps[0]),
        ("F8", "Redis FLUSHALL", plan.flushes, did["F8 flush"], "G"),
        ("F8", "Redis stands still 10 s", plan.redis_stalls, did["F8 stall"], "G"),
        ("F8", "every message twice", 1, counts["doubled"], "G"),
        ("F9", "seconds without a beat", plan.beatless_seconds, beatless, gaps[1]),
        ("F10", "PostgreSQL immediate stop", plan.crashes, did["F10"], "G"),
        ("F11", "connections cut", plan.cuts, did["F11"], f"{did['F11 in COMMIT']} in COMMIT"),
        ("F12", "settled, lost, found again", plan.lost, lost, f"{settled:,} settled"),
        ("F12", "dispatch frozen, and opened", 1, frozen, "by an operator"),
        ("F13", "errors in statements", 1, counts["failed"], "G"),
    ]


def from_the_processor(storm, probe):
    """Return F14 to F20."""
    plan, did, struck = storm.plan, storm.happened, storm.weather.struck()
    wrong = min(struck[f"wrong_body.{kind}"] for kind in WRONG)
    refused, lost = f"{struck['outage']} refused", f"{struck['black_hole']} lost"
    return [
        ("F14", "answer dropped", 1, struck["drop_after_commit"], "G"),
        ("F15", "500 before the commit", 1, struck["error_before"], "G"),
        ("F15", "500 after the commit", 1, struck["error_after"], "G"),
        ("F16", "commit after our time-out", 1, struck["late_commit"], "G"),
        ("F17", "429 with Retry-After", 1, struck["too_many"], "G"),
        ("F17", "outages of 503", plan.outages, did["F17 outage"], refused),
        ("F17", "black holes", plan.outages, did["F17 black hole"], lost),
        ("F18", "slow answers", 1, struck["slow"], web_of(storm, probe)),
        ("F19", "wrong bodies, fewest kind", plan.wrong_bodies, wrong, "G"),
        ("F20", "sandbox killed and restarted", plan.sandbox_restarts, did["F20 restart"], "G"),
    ]


def by_people(storm, books):
    """Return F21 to F23: callbacks, the admin, the clients."""
    plan, struck, bots = storm.plan, storm.weather.struck(), storm.bots
    heard = storm.notebook.counts["heard"]
    kept = f"{sum(each.done_at is not None for each in books.inbound)} kept"
    forged = sum(storm.forger.sent.values())
    refused = sum(bots[f"{name} refused"] for name in ADMIN)
    did = sum(bots[name] for name in ADMIN) + refused
    clients = sum(bots[name] for name in CLIENTS)
    return [
        ("F21", "callbacks taken in", plan.callbacks, heard, kept),
        ("F21", "callbacks doubled", 1, struck["callbacks.duplicate"], "G"),
        ("F21", "callbacks before the answer", 1, struck["callbacks.early"], "G"),
        ("F21", "callbacks forged", plan.forged, forged, "no effect"),
        ("F22", "admin's actions", plan.admin_actions, did, f"{refused} refused"),
        ("F23", "calls from 8 threads at once", plan.client_calls, clients, "once"),
    ]


def in_the_load(storm, books):
    """Return F24 to F27, and that recovery was used at all."""
    plan, notebook = storm.plan, storm.notebook
    skewed, crowd = notebook.counts["shifted"], f"waits x{crowding(storm, books):.1f}"
    return [
        ("F24", "workers with a wrong clock", 3, skewed, "early at most"),
        ("F24", "alarms about them", 1, notebook.counts["alarmed"], "nothing is sent"),
        ("F25", "zones, DST, 31 January", 1, storm.odd_payers, "own calendar"),
        ("F26", "poisoned schedulers", plan.poisoned, poisoned(storm, books), "others settle"),
        ("F27", "company with 80 %", 1, 1, crowd),
        ("", "attempts taken over", 1, notebook.recovered, "recovery used"),
        ("", "looks for what is due", 1, len(notebook.ticks), "gaps known"),
    ]


WRONG = ("amount", "currency", "key", "html", "cut", "huge")
ADMIN = ("change_card", "pause", "resume", "cancel")
CLIENTS = ("one_off", "refund", "callback")


def gap_of(storm, window):
    """Return the longest time without a tick in a window, in seconds."""
    if window not in storm.windows.spans:
        return 0.0
    return storm.notebook.longest_gap(*storm.windows.spans[window])


def redis_gap(storm):
    windows = storm.killer.redis_windows
    return max((storm.notebook.longest_gap(*window) for window in windows), default=0.0)


def web_of(storm, probe):
    """Return how slow the web was while the processor was, in words."""
    slow, usual = slow_web(storm, probe)
    if slow is None or usual is None:
        return "too few answers"
    return f"web p95 {slow * 1000:.0f}/{usual * 1000:.0f} ms"


def slow_web(storm, probe):
    span = storm.windows.spans.get("F18", (0.0, 0.0))
    return probe.slowest(span, inside=True), probe.slowest(span, inside=False)


def poisoned(storm, books):
    """Return how many of the poisoned stopped with a reason, or wait for an instrument."""
    stopped = {
        each.external_id: each.state in {"parked", "errored", "held"} for each in books.schedulers
    }
    waiting = {
        each.trail_id
        for each in books.feeds
        if each.instrument_id is None and each.kind == "period"
    }
    by_name = {each.external_id: each.id for each in books.schedulers}
    return sum(stopped[name] or by_name[name] in waiting for name in storm.poisoned)


def poisoned_guids(storm, books):
    """Return the guids of the poisoned and of their events, as the product's checker names them."""
    ids = {each.id for each in books.schedulers if each.external_id in storm.poisoned}
    events = {each.id for each in books.stops if each.trail_id in ids}
    return {guid(PREFIXES["scheduler"], UUID(each)) for each in ids} | {
        guid(PREFIXES["event"], UUID(each)) for each in events
    }


def crowding(storm, books):
    """Return how much of all work was done by the time that nearly all of the small was, in it.

    Counted in invoices rather than in seconds, so that a busy machine says the same: at 2 the
    company with 80 % of the load took as much as all the small ones while these were waiting. Only
    the first wave is counted, since all of it was due from the start.
    """
    first = {each.name for each in storm.payers if each.wave == 0}
    company = {each.name: each.company for each in storm.payers}
    names = {each.id: each.external_id for each in books.schedulers}
    opened = sorted(
        (each.created_at, company[names[each.trail_id]])
        for each in books.feeds
        if each.kind == "period" and names[each.trail_id] in first
    )
    small = [place for place, (_, owner) in enumerate(opened) if owner != 0]
    if not small:
        return 0.0
    nearly = int(len(small) * 0.95)
    return (small[nearly - 1] + 1) / nearly


def complaints(storm, probe, books):
    """Yield what the faults' own conditions, and (e) to (g), find wrong."""
    yield from (f"F5: {text}" for text in storm.killer.complaints)
    for name, gap in (("F9", gap_of(storm, "F9")), ("F7", redis_gap(storm))):
        if gap > TICK_GAP_SECONDS:
            yield f"{name}: {gap:.0f} s without a tick"
    slow, usual = slow_web(storm, probe)
    hurt = slow and usual and slow > max(WEB_RATIO * usual, WEB_UNHURT_SECONDS)
    if storm.plan.judges_waits and hurt:
        yield f"F18: the web's p95 rose from {usual:.3f} to {slow:.3f} s"
    for word in ("made twice", "lost"):
        if storm.bots[word]:
            yield f"F23: {storm.bots[word]} one-off invoices were {word}"
    if storm.plan.judges_waits and crowding(storm, books) > CROWD_RATIO:
        yield f"F27: small companies waited {crowding(storm, books):.1f} times as long"
    yield from unrest(storm)
    yield from believed(storm, books)
    yield from web_errors(storm)
    yield from storms(storm, books)


def unrest(storm):
    """(e), (g) A minute after the last fault nothing is due, held, pending or waiting."""
    for name, words in (("attempts", "e: attempts under way"), ("backlog", "g: a backlog")):
        if storm.calm_seconds.get(name, SECONDS_TO_CALM + 1) > SECONDS_TO_CALM:
            yield f"{words} {SECONDS_TO_CALM} s after the last fault"
    for name in ("pending", "callbacks"):
        if name not in storm.calm_seconds:
            yield f"e: {name} were never done with"


def believed(storm, books):
    """F21: what was forged had no effect."""
    done = {(str(each.company_id), each.event_id) for each in books.inbound if each.result == "ok"}
    for event in storm.forger.ids:
        if (storm.forger.company, event) in done:
            yield f"F21: the forged event {event} was believed"
    yield from (f"F21: {kind}" for kind in storm.forger.sent if "BELIEVED" in kind)


def web_errors(storm):
    """(f) No HTTP 500, whatever was broken behind the web."""
    file = storm.world.folder / "access"
    text = file.read_text() if file.exists() else ""
    found = [line for line in text.splitlines() if line.startswith("500 ")]
    if found:
        yield f"f: {len(found)} answers of HTTP 500, such as {found[0]}"


def needed(storm, books):
    """Return how many requests a run needs: what it asks for, what is pending, and what was lost.

    An attempt that was cut off (its holder died, its answer was lost, the database forgot it) needs
    a look and at most one more send.
    """
    cut = storm.notebook.recovered + len(storm.rewind.keys_lost)
    pending = sum(each.looks for each in books.attempts if each.state in {"succeeded", "declined"})
    return len(books.by_key) + 2 * cut + pending


def storms(storm, books):
    """Yield where far more was asked of the processor than was needed."""
    counts = storm.notebook.counts
    asked = counts["sent"] + counts["looked"]
    sent = counts["sent"] / max(1, len(books.by_key))
    if asked > REQUEST_RATIO * needed(storm, books):
        yield f"F17: {asked:,} requests where {needed(storm, books):,} were needed"
    storm.ratios = {
        "sends for each attempt": sent,
        "requests to needed": asked / needed(storm, books),
    }
