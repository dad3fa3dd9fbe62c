"""The body of an answer, made from what was done or made again from the ledger."""

from dataclasses import dataclass

from sandbox.envelope import page_body, token, wrap
from sandbox.kinds import BY_NAME, Kind, kind_of
from sandbox.listing import Page
from sandbox.records import Record
from sandbox.wire import Answer, Json, encode

REPLAYED = {"Idempotency-Replayed": "true"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What is answered.

    `record` is the resource that it is about, shown unless `hidden`. `errors` stand before it;
    `value` and `page` stand instead of it; `bare` shows a token instead of it.
    """

    status: int
    record: Record | None = None
    errors: list[Json] | None = None
    page: Page | None = None
    value: Json = None
    bare: bool = False
    hidden: bool = False

    def stored(self) -> dict[str, Json]:
        """What the ledger keeps beside the resource so that the same answer can be given again."""
        parts = {
            "status": self.status,
            "errors": self.errors,
            "value": self.value,
            "bare": self.bare,
            "hidden": self.hidden,
        }
        return {name: part for name, part in parts.items() if part}


def write(outcome: Outcome, resource: Json) -> Answer:
    """The answer; `resource` is the record as it is served, if there is one."""
    if outcome.page is not None:
        return Answer(status=outcome.status, body=page_body(outcome.page))
    kind = kind_of(outcome.record) if outcome.record is not None else None
    return Answer(status=outcome.status, body=_body(outcome.stored(), kind, resource))


def replay(line: dict[str, Json]) -> Answer:
    """The answer that was given when this line of the ledger was written, byte for byte."""
    stored = line["answer"]
    body = _body(stored, BY_NAME[line["type"]], line["object"])
    return Answer(status=stored["status"], body=body, headers=REPLAYED)


def _body(stored: dict[str, Json], kind: Kind | None, resource: Json) -> bytes | None:
    if "value" in stored:
        return encode(stored["value"]).encode()
    if kind is None or "hidden" in stored:
        return encode({"errors": stored["errors"]}).encode() if "errors" in stored else None
    if "bare" in stored:
        return token(kind, resource)
    return wrap(kind, resource, errors=stored.get("errors"))
