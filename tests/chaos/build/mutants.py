"""Broken variants of the protocol, one at a time: what the harness must be able to see.

Each breaks one rule in the way in which a careless change would. They hold to the names of verbs
and tables; one that finds nothing to hold raises, and one that is not seen fails `make
chaos-mutants`.
"""

import json
import re
import secrets
from contextlib import suppress
from dataclasses import replace

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from processors.base import Event, Kind, NotFound, Receipt, Status, Unknown
from tests.chaos.build.hooks import NothingToHold, stage, wrap
from tests.chaos.build.notes import note


def install(name):
    """Install the mutant of this name; none for the empty name. Raises KeyError for no mutant."""
    if name:
        MUTANTS[name]()
        note("mutant", name)


def _other(order):
    return replace(order, key=f"b1-{secrets.token_hex(20)}")


def new_key():
    """Send what is unknown under a new key, without a look."""
    from processors.balanced import Balanced

    unknown = set()

    def finding(find):
        def inside(self, order):
            unknown.add(order.key)

        return inside

    def sending(submit):
        def inside(self, order):
            return _believed(order, submit(self, _other(order) if order.key in unknown else order))

        return inside

    wrap(Balanced, "find", finding)
    wrap(Balanced, "submit", sending)


def blind_retry():
    """Send once more at once, under a new key, where the answer was lost."""
    from processors.balanced import Balanced

    def sending(submit):
        def inside(self, order):
            try:
                return submit(self, order)
            except Unknown:
                return _believed(order, submit(self, _other(order)))

        return inside

    wrap(Balanced, "submit", sending)


def _believed(order, receipt):
    return replace(receipt, key=order.key)


def random_key():
    """Draw the key and store it, rather than derive it."""
    from invoices import naming

    wrap(naming, "payment_key", lambda _: lambda **__: f"b1-{secrets.token_hex(20)}")


def no_fence():
    """Write outcomes down whoever holds the attempt by now."""
    fence = re.compile(r"AND\s+a\.lease_token\s+(IS NOT DISTINCT FROM|=)\s+v\.\w+", re.IGNORECASE)

    def unfenced(execute, sql, params, many, context):
        return execute(fence.sub("", str(sql)), params, many, context)

    _on_every_connection(unfenced)


def late_move():
    """Move the scheduler only after the outcome; the runner drops the unique constraints too."""
    from schedulers import cycle

    moved = []

    def held_back(execute, sql, params, many, context):
        is_move = str(sql).lstrip().startswith('UPDATE "billy_schedulers_scheduler"')
        if stage.name == "t1" and is_move:
            moved.append((sql, params))
            return None
        return execute(sql, params, many, context)

    def settling(settle):
        def inside(*arguments, **options):
            settled = settle(*arguments, **options)
            while moved:
                with connection.cursor() as cursor:
                    cursor.execute(*moved.pop())
            return settled

        return inside

    _on_every_connection(held_back)
    wrap(cycle, "settle", settling)


def no_quiet_time():
    """Treat a processor without keys as one that has them: send again as soon as it is absent."""
    from processors.balanced import Balanced
    from processors.base import KeyClass

    def making(init):
        def inside(self, **options):
            init(self, **options)
            self.key_class = KeyClass.REFERENCE  # Sent again, and no key goes out.

        return inside

    wrap(Balanced, "__init__", making)


def late_intent():
    """Call first and commit the intent afterwards."""
    from accounts.models import Company
    from accounts.open import account_of
    from invoices import payments
    from processors.base import ProcessorError
    from schedulers import limits

    def committing(commit):
        def inside(self):
            if stage.name == "t1" and stage.wrote:
                with self.cursor() as cursor:
                    cursor.execute(
                        "SELECT id FROM billy_invoices_transaction WHERE state = 'intent'"
                        " AND xmin = pg_current_xact_id()::xid"
                    )
                    born = [row[0] for row in cursor.fetchall()]
                for held in payments.held(born):
                    account = account_of(Company.objects.get(pk=held.company_id))
                    with suppress(ProcessorError):
                        limits.processor().submit(held.order(account))
            commit(self)

        return inside

    wrap(BaseDatabaseWrapper, "_commit", committing)


def loose_event():
    """Write the events after the commit of what they tell, in no transaction at all."""
    later = []

    def held_back(execute, sql, params, many, context):
        text = str(sql)
        loose = "billy_audit_auditevent" in text or 'UPDATE "billy_audit_audittrail"' in text
        if stage.name == "t3" and context["connection"].in_atomic_block and loose:
            later.append((sql, params))
            return None
        return execute(sql, params, many, context)

    def committing(commit):
        def inside(self):
            commit(self)
            told = [later.pop(0) for _ in range(len(later))]
            for sql, params in told:
                self.connection.cursor().execute(sql, params)
            if told:
                self.connection.commit()

        return inside

    _on_every_connection(held_back)
    wrap(BaseDatabaseWrapper, "_commit", committing)


def lost_is_no():
    """Count a lost answer as a decline."""
    from processors.balanced import Balanced

    def sending(submit):
        def inside(self, order):
            try:
                return submit(self, order)
            except Unknown:
                return Receipt(
                    kind=order.kind,
                    uri="",
                    status=Status.FAILED,
                    amount=order.amount,
                    currency=order.currency,
                    key=order.key,
                    code="time-out",
                )

        return inside

    wrap(Balanced, "submit", sending)


def look_without_failed():
    """Look without asking for failed objects, which lists leave out."""
    from processors import balanced

    if not hasattr(balanced, "EVERY_STATUS"):
        raise NothingToHold("processors.balanced.EVERY_STATUS")
    balanced.EVERY_STATUS = "succeeded,pending"


def first_page():
    """Look through the newest page only."""
    from processors.balanced import COLLECTIONS, Balanced, answer_to, items_of, receipt_of

    def finding(_):
        def inside(self, order):
            name = COLLECTIONS[order.kind]
            path = f"/{name}?limit=10&status%5Bin%5D=succeeded%2Cpending%2Cfailed"
            document = self._get(account=order.account, path=path)
            for item in items_of(document, collection=name):
                if receipt_of(item, kind=order.kind).key == order.key:
                    return answer_to(order, item)
            return None

        return inside

    wrap(Balanced, "find", finding)


def trusted_callback():
    """Believe what a callback says, rather than ask the processor."""
    from processors.balanced import Balanced, receipt_of

    def hearing(event):
        def inside(self, *, account, event_id):
            with suppress(NotFound):
                return event(self, account=account, event_id=event_id)
            from webhooks.models import Inbound

            told = json.loads(Inbound.objects.filter(event_id=event_id).latest("pk").raw)["events"]
            item = told[0]["entity"]["debits"][0]
            receipt = receipt_of(item, kind=Kind.DEBIT)
            return Event(id=event_id, type="debit.succeeded", occurred_at="", receipt=receipt)

        return inside

    wrap(Balanced, "event", hearing)


def paid_when_pending():
    """Take what is accepted for what has moved."""
    from tasks import carry
    from tasks.outcome import Verdict

    if carry.VERDICTS.get(Status.PENDING) is None:
        raise NothingToHold("tasks.carry.VERDICTS")
    carry.VERDICTS[Status.PENDING] = Verdict.SUCCEEDED


def _on_every_connection(wrapper):
    def install_it(connection, **_):
        if wrapper not in connection.execute_wrappers:
            connection.execute_wrappers.append(wrapper)

    connection_created.connect(install_it, weak=False)


MUTANTS = {
    "new-key": new_key,
    "blind-retry": blind_retry,
    "random-key": random_key,
    "no-fence": no_fence,
    "late-move": late_move,
    "no-quiet-time": no_quiet_time,
    "late-intent": late_intent,
    "loose-event": loose_event,
    "lost-is-no": lost_is_no,
    "look-without-failed": look_without_failed,
    "first-page": first_page,
    "trusted-callback": trusted_callback,
    "paid-when-pending": paid_when_pending,
}
