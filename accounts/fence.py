"""The dispatch fence: a database that was set back, or copied elsewhere, sends nothing.

Every minute a mark is taken: a row in the database, then the same number outside of it
(`accounts.outside`). A mark outside that the database does not have, another server under the same
database, another instance id: each freezes dispatch, and only a person opens it again. The claims
ask for an open dispatch in their own statements (`OPEN`), so that a freeze stops every process.
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, transaction

from accounts.models import Company, Installation
from accounts.outside import Kept, highest
from audit.models import Mark
from audit.record import heads, record
from audit.sets import execute, fetch
from core.invalid import Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from accounts.outside import Store
    from audit.chain import Fact
    from audit.record import Heads

logger = logging.getLogger(__name__)

INSTALLATION = f'"{Installation._meta.db_table}"'
MARK = f'"{Mark._meta.db_table}"'
# For the claims: true while payments may leave. It is asked once for each statement, not each row.
OPEN = f"EXISTS (SELECT 1 FROM {INSTALLATION} WHERE dispatch = 'open')"

MARK_SECONDS = 50  # A little less than a worker's minute: one mark a minute, however many workers.
KEEP_DAYS = 7  # Older marks are only compared by their number.
SECRETS = ("processor_key", "callback_key")  # Not needed here, and perhaps not readable.


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """On which server the database is; empty where the role may not read it."""

    system: str = ""  # Of the cluster: made by initdb, kept by every physical copy.
    timeline: str = ""  # Counted up by every promotion and every point-in-time recovery.
    database: str = ""  # Its number within the cluster: another one after a restore from a dump.

    def difference(self, other: Place) -> str:
        """Name the first part that is known of both, and not the same."""
        for field in fields(self):
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            if mine and theirs and mine != theirs:
                return f"{NAMES[field.name]} was {mine} and is {theirs}"
        return ""


NAMES = {
    "system": "the server's system identifier",
    "timeline": "the server's timeline",
    "database": "the database's number",
}


def look(stores: Sequence[Store]) -> str:
    """Compare, and freeze or take the next mark; returns why dispatch is frozen, or nothing.

    The marks outside are read before those inside: a mark is committed before it leaves, so what
    is outside can never be ahead of a database that was not set back.
    """
    installation = Installation.objects.filter(pk=1).first()
    if installation is None:
        return ""  # Nothing was set up yet, so there is nothing to send.
    outside = highest(stores, installation.instance_id)
    newest = Mark.objects.order_by("-number").first()
    if installation.dispatch == "frozen":
        return installation.reason
    here = place()
    why = fault(installation.instance_id, newest=newest, outside=outside, here=here)
    if why:
        _freeze(why, seen=newest.number if newest else 0)
        return reason()
    _mark(installation.instance_id, here=here)
    _tell(stores, installation.instance_id)
    return ""


def fault(instance_id: UUID, *, newest: Mark | None, outside: Kept | None, here: Place) -> str:
    """Return what shows that this is not the database that was dispatched from, or nothing."""
    if newest is None:
        ahead = outside is not None
        return "a mark is kept outside, and the database has none: it was set back" if ahead else ""
    if newest.instance_id != instance_id:
        return f"the instance id was {newest.instance_id} and is {instance_id}"
    difference = _place_of(newest).difference(here)
    if difference:
        return f"{difference}: the database was restored, promoted or copied"
    return _behind(outside, newest)


def _behind(outside: Kept | None, newest: Mark) -> str:
    """Return in what the database is behind the mark that is kept outside."""
    if outside is None or _is_answered_for(outside):
        return ""
    if outside.number > newest.number:
        return (
            f"the mark kept outside is {outside.number}, and the newest of the database is"
            f" {newest.number}: the database was set back"
        )
    there = Mark.objects.filter(pk=outside.number).first()
    if there is None and _is_older_than_kept(outside):
        return ""
    if there is None or str(there.token) != outside.token:
        return f"the database has another history than mark {outside.number}, which is kept outside"
    return ""


def _is_answered_for(outside: Kept) -> bool:
    return Mark.objects.filter(accepts=True, number__gt=outside.number).exists()


def _is_older_than_kept(outside: Kept) -> bool:
    return not Mark.objects.filter(accepts=False, number__lt=outside.number).exists()


def place() -> Place:
    """Return where the database is, each part as far as the role may read it."""
    return Place(
        # With letters before it: every tenth number of 19 digits could be that of a card.
        system=_read("SELECT 'pg' || system_identifier FROM pg_control_system()"),
        timeline=_read("SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"),
        database=_read("SELECT oid::text FROM pg_database WHERE datname = current_database()"),
    )


def _read(question: str) -> str:
    try:
        with transaction.atomic():
            return str(fetch(question)[0][0])
    except DatabaseError:
        return ""  # Not allowed to this role, or not known to this server.


def _place_of(mark: Mark) -> Place:
    system = f"pg{mark.system}" if mark.system.isdecimal() else mark.system
    return Place(system=system, timeline=mark.timeline, database=mark.database)


def _freeze(why: str, *, seen: int) -> None:
    """Freeze, unless a person opened dispatch since the marks were read."""
    frozen = execute(
        f"UPDATE {INSTALLATION} SET dispatch = 'frozen', reason = %s WHERE dispatch = 'open'"
        f" AND (SELECT coalesce(max(number), 0) FROM {MARK}) = %s",
        [why[:500], seen],
    )
    if frozen:
        logger.critical("dispatch is frozen: %s", why)


def _mark(
    instance_id: UUID, *, here: Place, above: int | None = None, accepts: bool = False
) -> None:
    """Take a mark unless there is a fresh one; `above` takes it at once, above that number.

    Its number is the millisecond in which it is taken, so that a mark which a person takes is above
    all that were taken before, also by workers whose marks are not known here.
    """
    execute(
        f"INSERT INTO {MARK} (number, token, instance_id, system, timeline, database, accepts, at)"
        f" SELECT greatest(coalesce(max(number), 0) + 1, %s,"
        " (extract(epoch FROM clock_timestamp()) * 1000)::bigint),"
        " %s, %s, %s, %s, %s, %s, clock_timestamp()"
        f" FROM {MARK} HAVING %s OR coalesce(max(at), '-infinity')"
        " < clock_timestamp() - make_interval(secs => %s) ON CONFLICT DO NOTHING",
        [
            0 if above is None else above + 1,
            uuid.uuid4(),
            instance_id,
            here.system,
            here.timeline,
            here.database,
            accepts,
            above is not None,
            MARK_SECONDS,
        ],
    )
    execute(
        f"DELETE FROM {MARK} WHERE NOT accepts"
        " AND at < clock_timestamp() - make_interval(days => %s)",
        [KEEP_DAYS],
    )


def _tell(stores: Sequence[Store], instance_id: UUID) -> None:
    """Bring the newest mark outside; it is committed, for no transaction is open here."""
    newest = Mark.objects.order_by("-number").first()
    if newest is not None and newest.instance_id == instance_id:
        for store in stores:
            store.keep(instance_id, Kept(number=newest.number, token=str(newest.token)))


def reason() -> str:
    """Return why dispatch is frozen; nothing while it is open."""
    found = fetch(f"SELECT reason FROM {INSTALLATION} WHERE dispatch = 'frozen'")
    return str(found[0][0]) if found else ""


def check_open() -> None:
    """Raise Invalid while dispatch is frozen: for what a person or an app would send at once."""
    if why := reason():
        raise Invalid(dispatch=f"is frozen: {why}")


def unfreeze(stores: Sequence[Store], *, why: str, now: datetime, actor: str) -> str:
    """Open dispatch, with an event on every company's trail; returns why it was frozen.

    The new mark answers for all that were taken before, here and outside. Raises Invalid where
    dispatch is open.
    """
    above = _outside_number(stores)
    with transaction.atomic(durable=True):
        installation = Installation.objects.select_for_update(no_key=True).filter(pk=1).first()
        if installation is None or installation.dispatch == "open":
            raise Invalid(dispatch="is open")
        was = installation.reason
        _reopen(installation, above=above)
        _record(was=was, why=why, now=now, actor=actor)
    _tell(stores, installation.instance_id)
    return was


def adopt(stores: Sequence[Store], *, now: datetime, actor: str) -> UUID:
    """Make a copy an installation of its own, with a new instance id; returns that.

    Raises Invalid while a company has a processor key: under a new id every payment would be a new
    one to the processor, also those that the original has made.
    """
    with transaction.atomic(durable=True):
        installation = Installation.objects.select_for_update(no_key=True).get(pk=1)
        live = Company.objects.exclude(processor_key="").values_list("name", flat=True)
        if live:
            raise Invalid(
                processor_key=f"is set for {len(live)} companies, such as {live[0]}: a new"
                " instance would pay again what the original has paid"
            )
        was = installation.reason
        installation.instance_id = uuid.uuid4()
        installation.save(update_fields=["instance_id"])
        _reopen(installation, above=0)
        _record(was=was, why="adopted as a new instance", now=now, actor=actor)
    _tell(stores, installation.instance_id)
    return installation.instance_id


def clear_processor_keys(*, now: datetime, actor: str) -> int:
    """Take the processor keys off every company; returns how many had one."""
    with transaction.atomic(durable=True):
        having = Company.objects.exclude(processor_key="").defer(*SECRETS)
        companies = list(having.select_for_update(no_key=True))
        locked = heads({company.pk for company in companies})
        Company.objects.filter(pk__in=locked).update(processor_key="", updated_at=now)
        body = {"processor_key": "removed"}
        record(
            [_fact(each, "company.changed", body, locked, actor) for each in companies],
            heads=locked,
            now=now,
        )
    return len(companies)


def _outside_number(stores: Sequence[Store]) -> int:
    installation = Installation.objects.filter(pk=1).first()
    outside = highest(stores, installation.instance_id) if installation is not None else None
    return outside.number if outside is not None else 0


def _reopen(installation: Installation, *, above: int) -> None:
    installation.dispatch, installation.reason = "open", ""
    installation.save(update_fields=["dispatch", "reason"])
    _mark(installation.instance_id, here=place(), above=above, accepts=True)


def _record(*, was: str, why: str, now: datetime, actor: str) -> None:
    companies = list(Company.objects.order_by("pk").defer(*SECRETS))
    locked = heads({company.pk for company in companies})
    body = {"was": was, "reason": why}
    record(
        [_fact(each, "company.dispatch_opened", body, locked, actor) for each in companies],
        heads=locked,
        now=now,
        listeners={company.pk for company in companies if company.listens},
    )


def _fact(company: Company, kind: str, body: dict[str, Any], locked: Heads, actor: str) -> Fact:
    fact = company.fact(kind, body, dedupe=f"{kind}/{locked[company.pk].seq}")
    return replace(fact, actor=actor)
