"""A request that names itself by an Idempotency-Key has one effect, and all who ask get its answer.

    claim    the row of the request is written first; the unique index says who is first
    wait     whoever comes second waits, and gets what the first one was answered
    take     where the first one died, the next one goes on: what it did is known by the key, since
             ids of things that move money are derived from it
    keep     the answer is written with the work where that is one transaction, else right after it

An answer that refused is not kept: nothing happened, and the same key may come with a better body.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from django.http import HttpResponse

from accounts.clock import database_now
from accounts.models import IdempotentRequest
from accounts.requests import KEPT
from accounts.secret import fingerprints
from audit.sets import execute, fetch
from billy.api.problems import Problem, answered
from core.cards import contains_card_number

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from billy.api.door import Door

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
LONGEST_KEY = 255
LEASE_SECONDS = 120  # Longer than any request takes; then another one may go on with it.
PATIENCE_SECONDS = 20.0  # How long the second one waits for the first.
FIRST_NAP_SECONDS, LONGEST_NAP_SECONDS = 0.02, 0.25

REQUEST = f'"{IdempotentRequest._meta.db_table}"'
NEEDED = f"This moves money, so it needs the header {HEADER}: any text that is new for each intent."
UNFIT = f"must be 1 to {LONGEST_KEY} printable ASCII characters, and no card number"
REUSED = "This key came before with another request: use a new key for a new intent."
BUSY = "The first request with this key is still at work: ask again with the same key."


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """Under which name a request is kept, and what it said.

    Whoever has no company yet is known by what nobody else knows: so nobody reads another's answer.
    """

    company: UUID | None
    key: str
    fingerprint: str


@dataclass(slots=True, kw_only=True)
class Claim:
    """The row of a request that this process works on."""

    row: int
    kept: bool = False

    def keep(self, answer: HttpResponse) -> None:
        """Write the answer down, within whatever transaction is open."""
        IdempotentRequest.objects.filter(pk=self.row).update(
            status=answer.status_code, body=answer.content.decode()
        )
        self.kept = True


def answer(door: Door, make: Callable[[], HttpResponse]) -> HttpResponse:
    """Return the answer to a POST: made now, or the one that was made before under its key."""
    key = key_of(door)
    if not key:
        return make()
    found = _claim(_named(door, key))
    if isinstance(found, HttpResponse):
        return found
    door.claim = found
    try:
        made = make()
    except Exception as error:
        if answered(error) is None:
            _let_go(found)
        else:
            IdempotentRequest.objects.filter(pk=found.row, status=None).delete()
        raise
    if not found.kept:
        found.keep(made)
    return made


def key_of(door: Door) -> str:
    """Return the key that a request carries, empty for none; raises Problem."""
    key = str(door.request.headers.get(HEADER, ""))
    if HEADER in door.request.headers and not key:
        raise Problem(400, "InvalidParameters", UNFIT, errors={HEADER: UNFIT}, where="header")
    if not key:
        if door.operation.is_money:
            told = {HEADER: "is needed"}
            raise Problem(400, "IdempotencyKeyNeeded", NEEDED, errors=told, where="header")
        return ""
    if len(key) > LONGEST_KEY or not (key.isascii() and key.isprintable()):
        raise Problem(400, "InvalidParameters", UNFIT, errors={HEADER: UNFIT}, where="header")
    if contains_card_number(key):
        raise Problem(422, "CardNumber", UNFIT, errors={HEADER: UNFIT}, where="header")
    return key


def name_of(key: str) -> str:
    """Return the name by which the verbs know a request: 32 hexadecimal digits, empty for none."""
    return sha256(key.encode()).hexdigest()[:32] if key else ""


def _named(door: Door, key: str) -> Name:
    said = _said(door)
    if not door.is_public:
        return Name(company=door.company.pk, key=key, fingerprint=sha256(said).hexdigest())
    mine = fingerprints(f"{door.stranger()}\0{key}")[0]
    return Name(company=None, key=mine, fingerprint=fingerprints(said.decode("latin-1"))[0])


def _claim(name: Name) -> Claim | HttpResponse:
    ends, nap = time.monotonic() + PATIENCE_SECONDS, FIRST_NAP_SECONDS
    while True:
        mine = _insert(name)
        if mine is not None:
            return Claim(row=mine)
        found = _look(name)
        if found is not None:
            return found
        if time.monotonic() > ends:
            raise Problem(409, "RequestInProgress", BUSY, headers={"Retry-After": "1"})
        time.sleep(nap)
        nap = min(nap * 1.5, LONGEST_NAP_SECONDS)


def _insert(name: Name) -> int | None:
    rows = fetch(
        f"INSERT INTO {REQUEST} (company_id, key, fingerprint, locked_until, body, created_at)"
        " SELECT %s::uuid, %s, %s, t.at + make_interval(secs => %s), '', t.at"
        " FROM (SELECT clock_timestamp() AS at) t ON CONFLICT DO NOTHING"
        " RETURNING id",
        [name.company, name.key, name.fingerprint, LEASE_SECONDS],
    )
    return rows[0][0] if rows else None


def _look(name: Name) -> Claim | HttpResponse | None:
    """Return the first one's answer, or its place where it died; None while it is at work."""
    there = IdempotentRequest.objects.filter(company=name.company, key=name.key).first()
    if there is None:
        return None  # It was refused meanwhile: the next look may be the first.
    if database_now() - there.created_at > KEPT:
        IdempotentRequest.objects.filter(pk=there.pk).delete()
        return None
    if there.fingerprint != name.fingerprint:
        told = {HEADER: "came before with another request"}
        raise Problem(422, "IdempotencyKeyReused", REUSED, errors=told, where="header")
    if there.status is not None:
        return _replayed(there)
    taken = execute(
        f"UPDATE {REQUEST} SET locked_until = clock_timestamp() + make_interval(secs => %s)"
        " WHERE id = %s AND status IS NULL AND locked_until = %s AND locked_until"
        " < clock_timestamp()",
        [LEASE_SECONDS, there.pk, there.locked_until],
    )
    return Claim(row=there.pk) if taken else None


def _let_go(claim: Claim) -> None:
    """Let the next one take over at once: nobody knows how far this one came."""
    execute(
        f"UPDATE {REQUEST} SET locked_until = greatest(created_at, clock_timestamp())"
        " WHERE id = %s AND status IS NULL",
        [claim.row],
    )


def _replayed(there: IdempotentRequest) -> HttpResponse:
    from billy.api.door import CONTENT_TYPE, tag_of

    answer = HttpResponse(there.body, status=there.status, content_type=CONTENT_TYPE)
    answer.headers["ETag"] = tag_of(json.loads(there.body))
    answer.headers[REPLAYED] = "true"
    return answer


def _said(door: Door) -> bytes:
    data, _ = door.body
    path = str(door.request.path).rstrip("/")
    said = json.dumps([door.request.method, path, data], sort_keys=True, separators=(",", ":"))
    return said.encode("utf-8", "surrogatepass")
