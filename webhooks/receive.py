"""Callbacks become evidence: an unsigned message only says which event to ask for.

The address holds a secret, which names the company and nothing more. The event and its object are
fetched with the company's own key, and only what was fetched is believed.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import logging
import random
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from typing import TYPE_CHECKING, Any

from django.db.models import Count

from accounts.models import Company
from accounts.open import account_of
from accounts.secret import UnreadableSecret
from core.cards import contains_card_number
from core.ids import PREFIXES, parse_guid
from core.invalid import CardNumber, Invalid
from invoices.models import Transaction
from processors.base import NotFound, ProcessorError, Rejected
from schedulers import cycle
from webhooks.models import Inbound

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from processors.base import Event, Processor, Receipt
    from schedulers.limits import Limits

log = logging.getLogger(__name__)

FETCH_SECONDS = 3  # The sender waits for our answer; what takes longer is swept.
EVENT_ID = re.compile(r"[A-Za-z0-9]{1,64}")  # It goes into an address, so nothing else may.
# A processor that hangs may hold so many of our threads, and each other callback so long.
FETCHES_AT_ONCE = 16
QUEUE_SECONDS = 0.25
# What is kept of one body: a real one takes two kilobytes, and a table must not grow by megabytes.
RAW_LIMIT = 8_192
LEFT_OUT = "(left out: it may hold the number of a payment card)"
# Whoever knows the address could send ids without end; more of one company's are not kept.
MOST_WAITING = 2_000
MOST_UNKNOWN = 1_000
CROWDED_SECONDS = 60
SWEEP_SECONDS = 10
SWEEP_LIMIT = 200  # A sweep must end well before the next one begins.
FAILURES_TO_LEAVE = 3  # One may be this event's own; so many mean that nobody answers.

OK = "ok"
IGNORE = "ignore"
UNKNOWN = "unknown"


_fetches = threading.BoundedSemaphore(FETCHES_AT_ONCE)


class NoSuchAddress(LookupError):  # What the caller is told.
    """The address names no company, or not its secret: answer 404 and say nothing."""


class Crowded(RuntimeError):  # The same.
    """Too many callbacks of this company wait for a processor that does not answer: come later."""


def company_at(company_guid: str, key: str) -> Company:
    """Return the company whose address this is; raises NoSuchAddress."""
    try:
        identity = parse_guid(company_guid, PREFIXES["company"])
    except Invalid:
        raise NoSuchAddress from None
    company = Company.objects.filter(pk=identity).first()
    secret = company.callback_key if company is not None else ""
    if company is None or not secret or not hmac.compare_digest(secret.encode(), key.encode()):
        raise NoSuchAddress
    return company


def receive(
    company: Company,
    *,
    raw: bytes,
    processor: Processor,
    now: datetime,
    limits: Limits,
) -> str:
    """Take a callback in; returns "ok" where it told us something of ours, else "ignore".

    Raises Invalid for what is no event, or none that the processor knows, and Crowded.
    """
    event_id = event_of(raw)
    digest = hashlib.sha256(raw).hexdigest()
    inbound, is_new = Inbound.objects.get_or_create(
        processor=processor.name,
        company=company,
        event_id=event_id,
        defaults={
            "received_at": now,
            "body_sha256": digest,
            "raw": _kept(raw),
        },
    )
    if inbound.body_sha256 != digest:
        log.error("event %s of %s came again with another body", event_id, company.guid)
    if inbound.done_at is not None and inbound.result == OK:
        return OK  # Told before; telling it again changes nothing.
    try:
        event = _fetched_soon(company, event_id, processor)
    except TooLate:
        if is_new:
            _make_room(inbound)
        return OK
    return finish(inbound, event, now=now, limits=limits)


def finish(inbound: Inbound, event: Event | None, *, now: datetime, limits: Limits) -> str:
    """Apply a fetched event and note what came of it; raises Invalid for one nobody knows."""
    result = UNKNOWN if event is None else _applied(inbound.company, event, now, limits)
    Inbound.objects.filter(pk=inbound.pk).update(done_at=now, result=result)
    if event is None:
        raise Invalid(id="is not an event of this company at the processor")
    return result


def sweep(*, processor: Processor, now: datetime, limits: Limits) -> int:
    """Finish callbacks that were stored and not yet applied; returns how many were looked at.

    Each company with some gets its share, and one whose processor is out of reach is left after a
    few failures, so that it keeps nobody else waiting. In no order: the fetched state is what
    counts, and one that cannot be fetched must not stand before the others for ever.
    """
    prune()
    waiting = Inbound.objects.filter(processor=processor.name, done_at__isnull=True)
    companies = list(waiting.values_list("company", flat=True).distinct()[:SWEEP_LIMIT])
    share = SWEEP_LIMIT // max(1, len(companies))
    looked_at = 0
    ends = time.monotonic() + SWEEP_SECONDS  # Charges wait for this; the next sweep goes on.
    random.shuffle(companies)  # No company is always the last.
    for company in companies:
        failures = 0
        some = waiting.filter(company=company).order_by("?")
        for inbound in some[:share]:
            if time.monotonic() > ends:
                return looked_at
            looked_at += 1
            failures += not _swept(inbound, processor=processor, now=now, limits=limits)
            if failures == FAILURES_TO_LEAVE:
                break
    return looked_at


def _swept(inbound: Inbound, *, processor: Processor, now: datetime, limits: Limits) -> bool:
    """Finish one; returns False where nobody could be asked, so that the next sweep asks again."""
    try:
        event = _fetched(inbound.company, inbound.event_id, processor)
    except UnreadableSecret:
        return False
    except Rejected:
        event = None  # It will be refused for ever, which comes down to an event that is not there.
    except (Invalid, ProcessorError):
        return False  # The company has no key, or the processor is out of reach.
    with contextlib.suppress(Invalid):  # Nobody knows it; that is noted on it.
        finish(inbound, event, now=now, limits=limits)
    return True


def event_of(raw: bytes) -> str:
    """Return the id of the event that a body names, bare or in Balanced's envelope.

    Raises Invalid: a body is a JSON object with `id`, or with one event in `events`.
    """
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise Invalid(body="must be JSON") from None
    if isinstance(body, dict) and isinstance(body.get("events"), list) and body["events"]:
        body = body["events"][0]
    event_id: Any = body.get("id") if isinstance(body, dict) else None
    if isinstance(event_id, str) and EVENT_ID.fullmatch(event_id):
        if not contains_card_number(event_id):
            return event_id
        raise CardNumber(id="must not be the number of a payment card")
    raise Invalid(id="must be the id of an event: letters and digits")


def prune() -> int:
    """Forget the oldest callbacks of a company that nobody knew; returns how many, and logs it."""
    unknown = Inbound.objects.filter(result=UNKNOWN)
    crowds = unknown.values("company").annotate(count=Count("pk")).filter(count__gt=MOST_UNKNOWN)
    dropped = 0
    for company in list(crowds.values_list("company", flat=True)):
        of_company = unknown.filter(company=company).order_by("-pk")
        oldest_kept = of_company.values_list("pk", flat=True)[MOST_UNKNOWN - 1]
        count, _ = of_company.filter(pk__lt=oldest_kept).delete()
        dropped += count
        log.error("%s callbacks of company %s that nobody knew were dropped", count, company)
    return dropped


def _kept(raw: bytes) -> str:
    """Return what is kept of a body as it came: it is for people, and nothing is read from it."""
    text = raw.decode("utf-8", "replace").replace("\0", "")[:RAW_LIMIT]
    return LEFT_OUT if contains_card_number(text) else text


def _make_room(inbound: Inbound) -> None:
    """Take back what was just stored, and raise Crowded, where too many of its company wait."""
    waiting = Inbound.objects.filter(company=inbound.company_id, done_at__isnull=True)
    if waiting[: MOST_WAITING + 1].count() > MOST_WAITING:
        inbound.delete()
        raise Crowded


def _fetched_soon(
    company: Company,
    event_id: str,
    processor: Processor,
    *,
    patience_seconds: float = FETCH_SECONDS,
) -> Event | None:
    """Fetch within the sender's patience; raises TooLate, and the event waits for the sweep."""
    if not _fetches.acquire(timeout=QUEUE_SECONDS):
        raise TooLate
    threads = ThreadPoolExecutor(max_workers=1)
    try:
        fetch = threads.submit(_fetched, company, event_id, processor)
        fetch.add_done_callback(lambda _: _fetches.release())
        return fetch.result(patience_seconds)
    except ProcessorError as error:
        raise TooLate from error
    finally:
        threads.shutdown(wait=False)


def _fetched(company: Company, event_id: str, processor: Processor) -> Event | None:
    try:
        return processor.event(account=account_of(company), event_id=event_id)
    except NotFound:
        return None


def _applied(company: Company, event: Event, now: datetime, limits: Limits) -> str:
    receipt = event.receipt
    if receipt is None:
        return IGNORE
    transaction = _transaction(company, receipt)
    if transaction is None:
        return IGNORE
    cycle.believe(transaction, receipt, now=now, limits=limits)
    return OK


def _transaction(company: Company, receipt: Receipt) -> UUID | None:
    """Return the id of the attempt that an object belongs to: by its key, or by its address."""
    of_company = Transaction.objects.filter(
        company=company, processor_account=company.processor_account
    ).values_list("pk", flat=True)
    found = of_company.filter(key=receipt.key).first() if receipt.key else None
    return found or of_company.filter(processor_uri=receipt.uri).first()
