"""What the clock brings: bank movements that settle, come back, or are disputed."""

from collections.abc import Iterable
from heapq import heappop, heappush

from sandbox.application import Application
from sandbox.clock import later
from sandbox.errors import Refusal, invalid
from sandbox.records import Debit, Dispute, Record, Transaction
from sandbox.resources.outcomes import DISPUTED, return_reason
from sandbox.wire import Json
from sandbox.work import Work

DISPUTE_DAYS_SECONDS = 30 * 24 * 60 * 60
FINAL = ("succeeded", "failed")


class Agenda:
    """Transactions in the order in which something is due for them."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._heap: list[tuple[str, int, str]] = []

    def heard(self, record: Record, _: tuple[str, ...] = ()) -> None:
        """Enter a record if something is due for it."""
        if isinstance(record, Transaction) and record.due_at is not None:
            heappush(self._heap, (record.due_at, record.sequence, record.id))

    def note_all(self, records: Iterable[Record]) -> None:
        """Enter everything that a restart finds."""
        for record in records:
            self.heard(record)

    def settle_due(self) -> int:
        """Bring about everything that is due by now, in order, each at its own instant."""
        settled = 0
        now = self._application.clock.stamp()
        while self._heap and self._heap[0][0] <= now:
            due_at, _, id_ = heappop(self._heap)
            record = self._application.store.by_id[id_]
            if isinstance(record, Transaction) and record.due_at == due_at:
                self._fall_due(record, due_at)
                settled += 1
        return settled

    def settle_now(self, id_: str, *, status: str, code: str | None) -> Transaction:
        """Move one transaction, pending or succeeded, whatever was due for it.

        Raises Refusal if there is none such, or if it cannot become what is asked.
        """
        record = self._application.store.by_id.get(id_)
        if not isinstance(record, Transaction):
            raise Refusal("not-found")
        if status not in FINAL or record.status in {"failed", status}:
            raise invalid("status", f"{record.status} cannot become {status[:20]}")
        work = self._application.work(record.marketplace)
        if status == "succeeded":
            _succeed(work, record, due_at=None, fate=None)
        else:
            _fail(work, record, code or "R01")
        self._application.recorder.commit(work)
        return record

    def _fall_due(self, record: Transaction, due_at: str) -> None:
        work = self._application.work(record.marketplace, at=due_at)
        if record.status == "pending":
            after = self._application.options.ach_return_after_seconds
            back_at = later(due_at, after) if record.fate else None
            _succeed(work, record, due_at=back_at, fate=record.fate)
        elif record.fate == DISPUTED and isinstance(record, Debit):
            _dispute(work, record)
        else:
            _fail(work, record, record.fate or "R01")
        self._application.recorder.commit(work)


def _succeed(work: Work, record: Transaction, *, due_at: str | None, fate: str | None) -> None:
    work.change(record, status="succeeded", succeeded_at=work.at, due_at=due_at, fate=fate)


def _fail(work: Work, record: Transaction, code: str) -> None:
    values: dict[str, Json] = {
        "status": "failed",
        "failed_at": work.at,
        "failure_reason_code": code,
        "failure_reason": return_reason(code),
        "due_at": None,
        "fate": None,
    }
    work.change(record, **values)


def _dispute(work: Work, debit: Debit) -> None:
    made = work.make(
        Dispute,
        amount=debit.amount,
        transaction=debit.id,
        source=debit.source,
        customer=debit.customer,
        initiated_at=work.at,
        respond_by=later(work.at, DISPUTE_DAYS_SECONDS),
    )
    work.change(debit, dispute=made.id, due_at=None, fate=None)
