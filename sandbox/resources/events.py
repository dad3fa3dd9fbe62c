"""Events: lists of what happened, read from the journal."""

from sandbox.calls import Call, Reply, Routes
from sandbox.errors import Refusal
from sandbox.events import Event, find, history, show
from sandbox.kinds import BY_NAME
from sandbox.listing import Page, Pairs, split_filter, value_test
from sandbox.store import Journal
from sandbox.wire import Json

TEMPLATES = {"events.callbacks": "/events/{events.self}/callbacks"}
FILTERS = {"type", "occurred_at"}
OWNERS = (
    *("debit", "credit", "refund", "reversal", "card_hold", "settlement", "dispute", "card"),
    *("bank_account", "bank_account_verification", "customer"),
)


def list_all(call: Call) -> Reply:
    """The events of the marketplace, newest first."""
    journal = call.store.journal(call.marketplace.id)
    if not _wanted(call.query.filters):
        return Reply(page=_page(call, *_slice(call, journal)))
    events = (
        Event.of(journal.records[place], journal.types[place])
        for place in reversed(range(len(journal.types)))
    )
    return _filtered(call, list(events))


def list_of(call: Call) -> Reply:
    """The events of one resource, newest first."""
    found = call.look(call.id)
    if found is None:
        raise Refusal("not-found")
    return _filtered(call, list(reversed(history(found))))


def read(call: Call) -> Reply:
    """One event."""
    event = find(call.id, call.look)
    if event is None:
        raise Refusal("not-found")
    return Reply(value={"events": [show(event)], "links": TEMPLATES})


def callbacks(call: Call) -> Reply:
    """Deliveries are not remembered one by one: an empty list, as if nobody had listened."""
    if find(call.id, call.look) is None:
        raise Refusal("not-found")
    return Reply(page=_empty(call))


def _slice(call: Call, journal: Journal) -> tuple[list[Event], int]:
    total = len(journal.types)
    newest = total - 1 - call.query.offset
    oldest = max(newest - call.query.limit, -1)
    return [
        Event.of(journal.records[place], journal.types[place])
        for place in range(newest, oldest, -1)
    ], total


def _wanted(filters: Pairs) -> Pairs:
    return [(name, value) for name, value in filters if name.partition("[")[0] in FILTERS]


def _filtered(call: Call, events: list[Event]) -> Reply:
    for name, value in _wanted(call.query.filters):
        field, operator = split_filter(name)
        test = value_test(field, operator, value)
        events = [event for event in events if test(getattr(event, field))]
    start = call.query.offset
    return Reply(page=_page(call, events[start : start + call.query.limit], len(events)))


def _page(call: Call, events: list[Event], total: int) -> Page:
    items: list[Json] = [show(event) for event in events]
    return Page(
        plural="events",
        items=items,
        links=TEMPLATES if items else {},
        total=total,
        limit=call.query.limit,
        offset=call.query.offset,
        path=call.query.path,
        query=call.query.pairs,
    )


def _empty(call: Call) -> Page:
    return Page(
        plural="event_callbacks",
        items=[],
        links={},
        total=0,
        limit=call.query.limit,
        offset=call.query.offset,
        path=call.query.path,
        query=call.query.pairs,
    )


def _addresses() -> list[str]:
    """`debits/:/events` and its like; verifications have a shorter path."""
    return [BY_NAME[name].record.path.strip("/") + "/:/events" for name in OWNERS]


ROUTES: Routes = {
    "events": {"GET": list_all},
    "events/:": {"GET": read},
    "events/:/callbacks": {"GET": callbacks},
    **{address: {"GET": list_of} for address in _addresses()},
}
