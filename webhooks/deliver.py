"""Tell apps what happened: each message of the outbox goes to every endpoint that wants its kind.

    relay    outbox ─► a delivery for each endpoint, in one transaction
    claim    deliveries that are due, each held for a minute, a few of each endpoint
    send     over the wire, no transaction open
    note     delivered, or when it is tried next: ten times in three days

A message may come twice, and in any order: `webhook-id` and the sequence number of its trail tell.
"""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction

from audit.models import AuditEvent, Outbox
from audit.sets import array, execute, fetch
from core.ids import PREFIXES, guid, uuid7
from core.invalid import Invalid
from webhooks import endpoints, signing
from webhooks.models import Delivery, Endpoint
from webhooks.outside import Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from webhooks.outside import Outside

RELAYED_AT_ONCE = 500
SENT_AT_ONCE = 64
OF_ONE_ENDPOINT = 8  # One that hangs must not hold up the others.
THREADS = 16
HOLD_SECONDS = 60  # Longer than an attempt takes; then another process may make it.
# After each attempt that failed: at once, then rarer and rarer, three days in all.
DELAYS_SECONDS = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
MOST_TRIES = len(DELAYS_SECONDS) + 1
JITTER = 0.1
LONGEST_WAIT_SECONDS = 86_400
MOST_NOTED = 20
GONE = 410
GOOD = range(200, 300)

OUTBOX = f'"{Outbox._meta.db_table}"'
DELIVERY = f'"{Delivery._meta.db_table}"'
ENDPOINT = f'"{Endpoint._meta.db_table}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What came of an attempt: a status, or why there is none."""

    delivery: Delivery
    status: int | None = None
    error: str = ""
    retry_after_seconds: int = 0


def run(*, outside: Outside, now: datetime) -> int:
    """Make one pass; returns how many messages and deliveries it worked on."""
    relayed = relay(now=now)
    held = claim(now=now)
    if held:
        events = _events(held)
        with ThreadPoolExecutor(THREADS) as threads:
            sent = threads.map(
                lambda each: _sent(each, events[each.event_id], outside=outside, now=now), held
            )
        for each in list(sent):
            note(each, now=now)
    return relayed + len(held)


def relay(*, now: datetime) -> int:
    """Turn messages of the outbox into deliveries; returns how many messages there were."""
    with transaction.atomic():
        rows = fetch(
            f"SELECT id, company_id, topic, body ->> 'event' FROM {OUTBOX}"
            " WHERE done_at IS NULL AND next_try_at <= %s"
            " ORDER BY next_try_at LIMIT %s FOR UPDATE SKIP LOCKED",
            [now, RELAYED_AT_ONCE],
        )
        if not rows:
            return 0
        wanting: dict[UUID, list[Endpoint]] = {}
        companies = {company for _, company, _, _ in rows}
        listening = Endpoint.objects.filter(company__in=companies, state=endpoints.ACTIVE)
        for endpoint in listening.defer("secret", "former_secret"):
            wanting.setdefault(endpoint.company_id, []).append(endpoint)
        Delivery.objects.bulk_create(
            [
                Delivery(
                    id=uuid7(now=now),
                    company_id=company,
                    endpoint=endpoint,
                    message_id=message,
                    event_id=event,
                    kind=kind,
                    next_try_at=now,
                    created_at=now,
                    updated_at=now,
                )
                for message, company, kind, event in rows
                for endpoint in wanting.get(company, ())
                if not endpoint.kinds or kind in endpoint.kinds
            ],
            ignore_conflicts=True,
        )
        execute(
            f"UPDATE {OUTBOX} SET done_at = %s, tries = tries + 1 WHERE id = ANY(%s::uuid[])",
            [now, array("uuid", [row[0] for row in rows])],
        )
    return len(rows)


def claim(*, now: datetime) -> list[Delivery]:
    """Hold deliveries that are due; another process passes them over until the hold ends."""
    rows = fetch(
        f"UPDATE {DELIVERY} AS d SET next_try_at = %s + make_interval(secs => %s)"
        f" FROM (SELECT id FROM {DELIVERY} WHERE id IN ("
        "SELECT id FROM (SELECT w.id, w.next_try_at, row_number()"
        " OVER (PARTITION BY w.endpoint_id ORDER BY w.next_try_at) AS place"
        f" FROM {DELIVERY} w JOIN {ENDPOINT} e ON e.id = w.endpoint_id"
        " WHERE w.state = 'waiting' AND w.next_try_at <= %s AND e.state = 'active') due"
        " WHERE place <= %s ORDER BY next_try_at LIMIT %s)"
        " AND state = 'waiting' AND next_try_at <= %s FOR UPDATE SKIP LOCKED) AS held"
        " WHERE d.id = held.id RETURNING d.id",
        [now, HOLD_SECONDS, now, OF_ONE_ENDPOINT, SENT_AT_ONCE, now],
    )
    ids = [row[0] for row in rows]
    return list(Delivery.objects.filter(pk__in=ids).select_related("endpoint__company"))


def again(delivery: Delivery, *, now: datetime) -> Delivery:
    """Plan one more attempt at once, whatever came of it so far.

    Raises Invalid where nothing is sent to its endpoint.
    """
    state = delivery.endpoint.state
    if state != endpoints.ACTIVE:
        raise Invalid(endpoint=f"is {state}, so nothing is sent to it")
    tries = min(delivery.tries, MOST_TRIES - 1)
    Delivery.objects.filter(pk=delivery.pk).update(
        state="waiting", tries=tries, next_try_at=now, updated_at=now
    )
    delivery.refresh_from_db()
    return delivery


def note(sent: Sent, *, now: datetime) -> None:
    """Write down what came of an attempt, and when the next one is."""
    row = sent.delivery
    row.tries += 1
    attempt = {"at": now.isoformat(), "status": sent.status, "error": sent.error}
    row.attempts = [*row.attempts, attempt][-MOST_NOTED:]
    row.updated_at = now
    if sent.status in GOOD:
        row.state, row.next_try_at = "delivered", None
    elif sent.status == GONE or row.tries >= MOST_TRIES:
        row.state, row.next_try_at = "failed", None
    else:
        row.next_try_at = now + _wait(row.tries, sent.retry_after_seconds)
    row.save(update_fields=["state", "tries", "next_try_at", "attempts", "updated_at"])
    if sent.status == GONE:
        endpoints.disable(row.endpoint, reason="it answered 410: it is gone", now=now)


def message(delivery: Delivery, event: AuditEvent) -> bytes:
    """Return the body that is sent: the kind, when it happened, its number, and the fact."""
    trail = guid(PREFIXES[event.trail.subject], event.trail_id)
    told: dict[str, Any] = {
        "type": event.kind,
        "timestamp": event.at.isoformat(),
        "sequence": event.seq,
        "data": {
            "guid": guid(PREFIXES["event"], event.pk),
            "kind": event.kind,
            "at": event.at.isoformat(),
            "actor": event.actor,
            "company_guid": guid(PREFIXES["company"], delivery.company_id),
            "trail_guid": trail,
            "subject": event.trail.subject,
            "sequence": event.seq,
            "feed_guid": _guid("feed", event.feed_id),
            "transaction_guid": _guid("transaction", event.transaction_id),
            "amount": event.amount,
            "moved": event.moved,
            "currency": event.currency,
            "body": event.body,
        },
    }
    return json.dumps(told, separators=(",", ":"), sort_keys=True).encode()


def _sent(delivery: Delivery, event: AuditEvent, *, outside: Outside, now: datetime) -> Sent:
    """Send one; it runs in a thread, which must not touch the database."""
    body = message(delivery, event)
    headers = _headers(delivery, body, now=now)
    try:
        reply = outside.post(delivery.endpoint.url, body=body, headers=headers)
    except Unreachable as error:
        return Sent(delivery=delivery, error=str(error)[:200])
    return Sent(
        delivery=delivery,
        status=reply.status,
        retry_after_seconds=reply.retry_after_seconds,
    )


def _headers(delivery: Delivery, body: bytes, *, now: datetime) -> dict[str, str]:
    endpoint = delivery.endpoint
    keys = [endpoint.secret]
    if endpoint.former_secret and endpoint.former_until and endpoint.former_until > now:
        keys.append(endpoint.former_secret)
    message_id, at = f"msg_{delivery.message_id.hex}", now.astimezone(UTC)
    return {
        "Content-Type": "application/json",
        "User-Agent": "Billy",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signing.signatures(keys, message_id=message_id, at=at, body=body),
    }


def _events(held: Iterable[Delivery]) -> dict[UUID, AuditEvent]:
    found = AuditEvent.objects.filter(pk__in={each.event_id for each in held})
    return {event.pk: event for event in found.select_related("trail")}


def _wait(tries: int, retry_after_seconds: int) -> timedelta:
    planned = DELAYS_SECONDS[tries - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  # To spread them.
    return timedelta(seconds=max(planned, min(retry_after_seconds, LONGEST_WAIT_SECONDS)))


def _guid(kind: str, identity: UUID | None) -> str | None:
    return None if identity is None else guid(PREFIXES[kind], identity)
