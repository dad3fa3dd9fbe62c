"""Conditions (b) and (c): the processor's objects against Billy's attempts, to the cent."""

from collections import Counter, defaultdict

AGREES = {
    "succeeded": {"succeeded", "returned"},
    "failed": {"declined", "rejected", "returned"},
    "pending": {"pending"},
}
DONE = frozenset({"succeeded", "pending", "returned", "declined"})


def complaints(books):
    """Yield everything that is wrong with the money."""
    yield from sums(books)
    yield from keys(books)
    yield from twins(books)


def sums(books):
    """(b) What moved at the processor is what Billy's invoices and events say, per company."""
    accounts = {each.processor_account.partition(":")[2]: each.id for each in books.companies}
    there, invoices, events = Counter(), Counter(), Counter()
    for each in books.objects:
        if each.status == "succeeded":
            there[accounts.get(each.marketplace), each.currency, each.type] += each.amount
    for feed in books.feeds:
        kept = feed.captured - feed.returned
        invoices[feed.company_id, feed.currency, feed.direction] += kept
        back = {"debit": "refund", "credit": "reversal"}[feed.direction]
        invoices[feed.company_id, feed.currency, back] += feed.refunded
    for each in books.moved:
        events[each.company_id, each.currency, each.kind] += abs(int(each.moved))
    for what in sorted({*there, *invoices, *events}, key=str):
        said = (there[what], invoices[what], events[what])
        if len(set(said)) > 1:
            yield "b: {}: the processor moved {:,}, invoices say {:,}, events {:,}".format(
                "/".join(map(str, what)), *said
            )


def keys(books):
    """(c) One object for each key, one attempt for each object, and both say the same."""
    for key, objects in books.by_key.items():
        attempt = books.attempt_by_key.get(key)
        if len(objects) > 1:
            yield f"c: {len(objects)} objects under the key {key}"
        if attempt is None:
            yield f"c: {objects[0].type} {objects[0].id} ({objects[0].status}) has no attempt"
            continue
        for each in objects:
            yield from _differences(each, attempt)
    for attempt in books.attempts:
        if attempt.state in DONE and not books.by_key[attempt.key]:
            yield f"c: attempt {attempt.id} is {attempt.state}, and the processor has nothing"


def _differences(there, attempt):
    if (there.type, there.amount, there.currency) != (
        attempt.kind,
        attempt.amount,
        attempt.currency,
    ):
        yield f"c: {there.type} {there.id} of {there.amount} is not what {attempt.id} asked for"
    if attempt.state not in AGREES[there.status]:
        yield f"c: {there.type} {there.id} is {there.status}, its attempt is {attempt.state}"


def twins(books):
    """(a) Whatever the keys say: no invoice was paid by two objects."""
    paid = defaultdict(list)
    for each in books.objects:
        if each.status == "succeeded" and each.type in {"debit", "credit"}:
            paid[each.meta.get("billy.invoice_guid")].append(each)
    for invoice, objects in paid.items():
        if len(objects) > 1:
            yield f"a: invoice {invoice} was charged {len(objects)} times"
