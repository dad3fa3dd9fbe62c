"""Between the wire and the application: the control door, and the faults."""

import asyncio
import math
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from sandbox.application import Application, Prepared
from sandbox.callbacks import Callbacks
from sandbox.control import PREFIX, Control
from sandbox.errors import Refusal
from sandbox.faults import WRONG_BODIES, Fault, Faults
from sandbox.wire import Answer, Request
from sandbox.wrong import spoil

EARLY_SECONDS = 0.25  # How long an answer waits for the callback that is to come before it.
P99_DEVIATIONS = 2.326  # Standard deviations from the median to the 99th percentile.
LONGEST_SECONDS = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What the connection is to do: send the answer, only half of it, drop, or hang for ever."""

    answer: Answer | None = None
    cut: bool = False
    hang: bool = False


DROP = Delivery()
HANG = Delivery(hang=True)
Served = Delivery | Coroutine[Any, Any, Delivery]
Player = Callable[[Request, Fault], Served]


class Conductor:
    """Serves every request; a fault may come in between."""

    def __init__(
        self,
        *,
        application: Application,
        control: Control,
        faults: Faults,
        callbacks: Callbacks,
    ) -> None:
        self._application = application
        self._control = control
        self._faults = faults
        self._callbacks = callbacks
        self._tasks: set[asyncio.Task[None]] = set()
        self._sticky: set[str] = set()
        self._players: dict[str, Player] = {
            "outage": self._outage,
            "black_hole": self._black_hole,
            "too_many": self._too_many,
            "sticky_500": self._sticky_500,
            "error_before": self._error_before,
            "late_commit": self._late_commit,
            "slow": self._slow,
            "drop_after_commit": self._drop_after_commit,
            "error_after": self._error_after,
            "wrong_body": self._wrong_body,
        }

    def serve(self, request: Request) -> Served:
        """The delivery of a request, at once or later."""
        if request.path.startswith(PREFIX):
            return Delivery(answer=self._control.answer(request))
        key = request.headers.get("idempotency-key", "")
        if key in self._sticky:
            return self._error("sticky_500")
        fault = self._faults.draw(request)
        if fault is None:
            return self._delivered(self._answer(request))
        return self._players[fault.name](request, fault)

    def refuse(self, refusal: Refusal) -> Answer:
        """The answer to something that never became a request."""
        return self._application.refuse(refusal)

    def _answer(self, request: Request) -> Answer:
        prepared = self._application.prepare(request)
        if isinstance(prepared, Answer):
            return prepared
        return self._application.perform(prepared)

    def _delivered(self, answer: Answer) -> Served:
        if self._callbacks.take_early():
            return _wait(EARLY_SECONDS, Delivery(answer=answer))
        return Delivery(answer=answer)

    def _count(self, name: str) -> None:
        self._faults.happened[name] += 1

    def _error(self, name: str, code: str = "internal-error") -> Delivery:
        self._count(name)
        return Delivery(answer=self._application.refuse(Refusal(code)))

    def _outage(self, _: Request, __: Fault) -> Served:
        return self._error("outage", "service-unavailable")

    def _black_hole(self, _: Request, __: Fault) -> Served:
        self._count("black_hole")
        return HANG

    def _too_many(self, _: Request, fault: Fault) -> Served:
        self._count("too_many")
        refused = self._application.refuse(Refusal("too-many-requests"))
        seconds = math.ceil(fault.seconds("retry_after_seconds", 1))
        answer = Answer(
            status=refused.status, body=refused.body, headers={"Retry-After": str(seconds)}
        )
        return Delivery(answer=answer)

    def _sticky_500(self, request: Request, _: Fault) -> Served:
        key = request.headers.get("idempotency-key")
        if key:
            self._sticky.add(key)
        return self._error("sticky_500")

    def _error_before(self, _: Request, __: Fault) -> Served:
        return self._error("error_before")

    def _error_after(self, request: Request, _: Fault) -> Served:
        self._answer(request)
        return self._error("error_after")

    def _drop_after_commit(self, request: Request, _: Fault) -> Served:
        self._answer(request)
        self._count("drop_after_commit")
        return DROP

    def _late_commit(self, request: Request, fault: Fault) -> Served:
        prepared = self._application.prepare(request)
        if isinstance(prepared, Answer):
            return Delivery(answer=prepared)
        self._count("late_commit")
        self._later(prepared, fault.seconds("after_seconds", 2))
        if "close_after_seconds" in fault.values:
            return _wait(fault.seconds("close_after_seconds", 0), DROP)
        return HANG

    def _slow(self, request: Request, fault: Fault) -> Served:
        prepared = self._application.prepare(request)
        if isinstance(prepared, Answer):
            return Delivery(answer=prepared)
        self._count("slow")
        return self._perform_slowly(prepared, self._slowness(fault))

    def _wrong_body(self, request: Request, fault: Fault) -> Served:
        answer = self._answer(request)
        kinds = fault.values.get("kinds") or WRONG_BODIES
        kind = self._faults.random.choice(list(kinds))
        self._count("wrong_body")
        self._count(f"wrong_body.{kind}")
        spoiled = spoil(answer, kind, random=self._faults.random)
        return Delivery(answer=spoiled, cut=kind == "cut")

    def _slowness(self, fault: Fault) -> float:
        if "p50_seconds" not in fault.values:
            return fault.seconds("seconds", 1)
        median = max(fault.seconds("p50_seconds", 1), 0.001)
        ratio = max(fault.seconds("p99_seconds", median) / median, 1)
        deviation = math.log(ratio) / P99_DEVIATIONS
        drawn = self._faults.random.lognormvariate(math.log(median), deviation)
        return min(drawn, LONGEST_SECONDS)

    async def _perform_slowly(self, prepared: Prepared, seconds: float) -> Delivery:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            self._application.abandon(prepared)
            raise
        return Delivery(answer=self._application.perform(prepared))

    def _later(self, prepared: Prepared, seconds: float) -> None:
        async def commit() -> None:
            await self._perform_slowly(prepared, seconds)

        task = asyncio.get_running_loop().create_task(commit())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _wait(seconds: float, delivery: Delivery) -> Delivery:
    await asyncio.sleep(seconds)
    return delivery
