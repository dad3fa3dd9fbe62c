"""The control door: the sandbox's clock, its faults, and single transactions, under `/_sandbox/`.

It needs no key, and answers only to this machine.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from ipaddress import ip_address
from urllib.parse import urlsplit

from sandbox.application import Application
from sandbox.chances import Dice, PlannedDecline
from sandbox.clock import instant, stamp
from sandbox.errors import Refusal, invalid, missing
from sandbox.faults import Faults
from sandbox.fields import integer, text
from sandbox.kinds import kind_of
from sandbox.records import Card
from sandbox.restore import own_line
from sandbox.settling import Agenda
from sandbox.wire import Answer, Json, Request, answer_json

PREFIX = "/_sandbox/"
LONGEST_MOVE_SECONDS = 10**10
MOST_DECLINES = 10**6

Body = Mapping[str, Json]


class Control:
    """Answers under `/_sandbox/`."""

    def __init__(
        self, *, application: Application, agenda: Agenda, faults: Faults, dice: Dice
    ) -> None:
        self._application = application
        self._agenda = agenda
        self._faults = faults
        self._dice = dice
        self._doors: dict[tuple[str, str], Callable[[Body], Json]] = {
            ("GET", "state"): self._state,
            ("GET", "clock"): self._clock,
            ("PUT", "clock"): self._set_clock,
            ("GET", "faults"): lambda _: self._faults.report(),
            ("PUT", "faults"): self._set_faults,
            ("POST", "settle"): self._settle,
            ("POST", "decline"): self._decline,
        }

    def answer(self, request: Request) -> Answer:
        """Answer a request of this machine; others are told that there is nothing."""
        try:
            return answer_json(self._door(request)(_body(request)))
        except Refusal as refusal:
            return self._application.refuse(refusal)

    def _door(self, request: Request) -> Callable[[Body], Json]:
        if not _is_near(request.peer):
            raise Refusal("not-found")
        name = request.path[len(PREFIX) :].rstrip("/")
        door = self._doors.get((request.method, name))
        if door is None:
            known = any(path == name for _, path in self._doors)
            raise Refusal("method-not-allowed" if known else "not-found")
        return door

    def _state(self, _: Body) -> Json:
        return {
            "now": self._application.clock.stamp(),
            "clock_is_set": self._application.clock.is_set,
            "requests": self._application.requests,
            "keys": self._application.recorder.keys.count(),
            "records": self._application.store.tallies(),
        }

    def _clock(self, _: Body) -> Json:
        clock = self._application.clock
        return {"now": clock.stamp(), "is_set": clock.is_set}

    def _set_clock(self, body: Body) -> Json:
        clock = self._application.clock
        if "now" in body:
            now = text(body, "now")
            if now is None:
                clock.release()
            else:
                clock.set(_instant(now))
        elif "advance_seconds" in body:
            clock.advance(_seconds(body))
        elif body:
            raise missing("now")
        else:
            clock.release()
        now = stamp(clock.now()) if clock.is_set else None
        self._application.recorder.ledger.append([own_line(now=now)])
        return {**self._clock(body), "settled": self._agenda.settle_due()}

    def _set_faults(self, body: Body) -> Json:
        self._faults.replace(body)
        return self._faults.report()

    def _settle(self, body: Body) -> Json:
        record = self._agenda.settle_now(
            _id(body), status=text(body, "status") or "succeeded", code=text(body, "code")
        )
        kind = kind_of(record)
        return {kind.plural: [kind.show(record)], "links": kind.templates}

    def _decline(self, body: Body) -> Json:
        card = self._application.store.by_id.get(_id(body))
        if not isinstance(card, Card):
            raise Refusal("not-found")
        times = integer(body, "times", low=0, high=MOST_DECLINES)
        planned = PlannedDecline(
            times=1 if times is None else times,
            code=text(body, "code") or "card-declined",
            reason=text(body, "reason") or "Insufficient funds.",
        )
        self._dice.planned.pop(card.id, None)
        if planned.times:
            self._dice.planned[card.id] = planned
        return {"uri": card.href, "times": planned.times}


def _is_near(peer: str) -> bool:
    try:
        address = ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def _body(request: Request) -> Body:
    if not request.body.strip():
        return {}
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        raise Refusal("request", "The body is not JSON.") from None
    if body is None:
        return {}
    if not isinstance(body, dict):
        raise Refusal("request", "The body must be an object.")
    return body


def _id(body: Body) -> str:
    uri = text(body, "uri")
    if not uri:
        raise missing("uri")
    return urlsplit(uri).path.rstrip("/").rpartition("/")[2]


def _instant(value: str) -> datetime:
    try:
        return instant(value)
    except (ValueError, OverflowError):
        raise invalid("now", f"{value[:40]!r} is no instant") from None


def _seconds(body: Body) -> float:
    value = body["advance_seconds"]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not abs(value) <= LONGEST_MOVE_SECONDS:
        raise invalid("advance_seconds", "must be a number of seconds")
    return float(value)
