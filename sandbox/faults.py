"""Faults on demand: which there are, when one strikes, and how often each has struck."""

import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from sandbox.chances import Declining
from sandbox.errors import Refusal
from sandbox.wire import Json, Request

MONEY_PATHS = (r"/(debits|credits|refunds|reversals|settlements)/?$",)
MONEY_METHODS = ("POST",)
ANY_PATHS = ("",)
ANY_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
# In the order in which they are tried; a request meets at most one.
STRIKING = (
    "outage",
    "black_hole",
    "too_many",
    "sticky_500",
    "error_before",
    "late_commit",
    "slow",
    "drop_after_commit",
    "error_after",
    "wrong_body",
)
EVERYWHERE = ("outage", "black_hole")  # Those that strike any request unless told otherwise.
STANDING = ("decline", "callbacks", "hide_failed")  # Those that strike no request of their own.
WRONG_BODIES = ("amount", "currency", "key", "html", "cut", "huge")
NUMBERS = (
    *("probability", "count", "after_seconds", "for_seconds", "close_after_seconds", "seconds"),
    *("p50_seconds", "p99_seconds", "retry_after_seconds", "fraction", "status"),
)


@dataclass(slots=True, kw_only=True)
class Fault:
    """One fault. `count` None strikes without end; `starts_at`, `ends_at` are monotonic seconds."""

    name: str
    probability: float
    count: int | None
    paths: tuple[re.Pattern[str], ...]
    methods: frozenset[str]
    starts_at: float
    ends_at: float
    values: Mapping[str, Json] = field(default_factory=dict)

    def seconds(self, name: str, default: float) -> float:
        """A number of seconds from its settings."""
        return float(self.values.get(name, default))

    def concerns(self, request: Request, *, now: float) -> bool:
        """Whether it could strike this request at all."""
        return (
            self.count != 0
            and self.starts_at <= now < self.ends_at
            and request.method in self.methods
            and any(path.search(request.path) for path in self.paths)
        )


class Faults:
    """The set of faults in force. `told` is what was asked for, as it was written."""

    def __init__(self, *, seed: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.told: Mapping[str, Json] = {}
        self.happened: Counter[str] = Counter()
        self.random = Random(f"{seed} faults")  # noqa: S311 - chance, not secrecy.
        self._monotonic = monotonic
        self._faults: list[Fault] = []

    def replace(self, told: Mapping[str, Json]) -> None:
        """Put another set in force. Raises Refusal for what cannot be understood."""
        unknown = [name for name in told if name not in STRIKING and name not in STANDING]
        if unknown:
            raise Refusal("request", f"Unknown faults: {', '.join(sorted(unknown))[:200]}.")
        now = self._monotonic()
        faults = [_fault(name, told[name], now=now) for name in STRIKING if name in told]
        for name in STANDING:
            _check(name, told.get(name, {}))
        self._faults = faults
        self.told = dict(told)

    def draw(self, request: Request) -> Fault | None:
        """The fault that strikes this request, if any. It is counted by whoever plays it."""
        if not self._faults:
            return None
        now = self._monotonic()
        for fault in self._faults:
            if not fault.concerns(request, now=now):
                continue
            if fault.probability < 1 and self.random.random() >= fault.probability:
                continue
            if fault.count is not None:
                fault.count -= 1
            return fault
        return None

    def declining(self) -> Declining | None:
        """The share of card debits that is declined."""
        told = self.told.get("decline")
        if not told:
            return None
        chosen = {name: told[name] for name in ("code", "reason") if name in told}
        return Declining(fraction=float(told.get("fraction", 1)), **chosen)

    def callbacks(self) -> Mapping[str, Json]:
        """What is done to callbacks: `duplicate`, `shuffle_seconds`, `early`."""
        told: Mapping[str, Json] = self.told.get("callbacks") or {}
        return told

    def report(self) -> Json:
        """The set in force and how often each has struck."""
        return {"faults": self.told, "happened": dict(sorted(self.happened.items()))}


def _fault(name: str, told: Json, *, now: float) -> Fault:
    _check(name, told)
    everywhere = name in EVERYWHERE
    paths = told.get("paths") or (ANY_PATHS if everywhere else MONEY_PATHS)
    methods = told.get("methods") or (ANY_METHODS if everywhere else MONEY_METHODS)
    # A late commit's `after_seconds` is how late it is; for all others it is when they begin.
    after = 0.0 if name == "late_commit" else float(told.get("after_seconds", 0))
    try:
        patterns = tuple(re.compile(path) for path in paths)
    except (re.error, TypeError):
        raise Refusal("request", f"The paths of {name} are no patterns.") from None
    return Fault(
        name=name,
        probability=float(told.get("probability", 1)),
        count=told.get("count"),
        paths=patterns,
        methods=frozenset(methods),
        starts_at=now + after,
        ends_at=now + after + float(told.get("for_seconds", "inf")),
        values=told,
    )


def _check(name: str, told: Json) -> None:
    if name == "hide_failed":
        return  # It is always so; the word is accepted since people look for it.
    if not isinstance(told, Mapping):
        raise Refusal("request", f"The settings of {name} must be an object.")
    for key in NUMBERS:
        value = told.get(key, 0)
        if not isinstance(value, int | float) or isinstance(value, bool) or value < 0:
            raise Refusal("request", f"{name}.{key} must be a number from 0.")
    kinds = told.get("kinds", ())
    if name == "wrong_body" and not set(kinds) <= set(WRONG_BODIES):
        raise Refusal("request", f"wrong_body.kinds are among {', '.join(WRONG_BODIES)}.")
