"""What all routes have in common: the key, its scope, how the body is read, how it is answered.

A resource is a Door with its operations as data, from which the OpenAPI description is made, and a
method for each: `get`, `make` for POST, `put`, `patch`, `delete`.
"""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

from django.db.models import Model
from django.http import Http404, HttpResponse
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.views import APIView

from accounts import wall
from accounts.clock import database_now
from billy.api import once
from billy.api.callers import ByKey, Paced, Scoped
from billy.api.inputs import Input
from billy.api.lists import BY_ID, page
from billy.api.problems import Problem, answered
from billy.api.reading import body_of, query_of
from billy.api.schema import Described
from core.ids import PREFIXES, parse_guid
from core.invalid import Invalid

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from django.db.models import QuerySet

    from accounts.models import ApiKey, Company
    from billy.api.expand import Expansion
    from billy.api.lists import Order
    from billy.api.shapes import Shape

Row = TypeVar("Row", bound=Model)

CONTENT_TYPE = "application/json; charset=UTF-8"
CHANGED = "It was changed since it was read: read it again."


class Nothing(Input):
    """No fields at all."""


class Whatever(Input):
    """No fields, and whatever comes is passed over, as the original did."""

    is_lenient = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of a route: what it needs, takes and tells. `errors` are its own statuses."""

    summary: str
    shape: type[Shape] | None = None
    scope: str = "read"
    taken: type[Input] = Nothing
    query: type[Input] = Nothing
    many: bool = False
    is_money: bool = False  # On a new route: an Idempotency-Key is needed.
    order: Order = BY_ID
    expands: tuple[Expansion, ...] = ()
    errors: tuple[int, ...] = ()
    about: str = ""
    media: tuple[str, ...] = ()  # Where the answer is no JSON.


class Answer(HttpResponse):
    """A JSON object, compact, its keys sorted."""

    def __init__(self, told: Any, **headers: str) -> None:
        """Write it."""
        super().__init__(json.dumps(told, separators=(",", ":"), sort_keys=True).encode())
        self.headers["Content-Type"] = CONTENT_TYPE
        for name, value in headers.items():
            self.headers[name] = value


class AnyAnswer(BaseContentNegotiation):
    """Whatever is asked for, the answer is JSON."""

    def select_parser(self, request: Any, parsers: Any) -> None:
        """Choose none: bodies are read in `reading`."""

    def select_renderer(self, request: Any, renderers: Any, format_suffix: Any = None) -> Any:
        """Choose what there is."""
        del request, format_suffix
        return renderers[0], renderers[0].media_type


class Door(APIView):
    """One route. A public one needs no key; one of the original keeps its contract."""

    operations: ClassVar[Mapping[str, Operation]] = {}
    tag: ClassVar[str] = ""
    is_public: ClassVar[bool] = False
    is_original: ClassVar[bool] = False
    make: Any  # What POST asks for; every route that has it says how.

    authentication_classes: Any = (ByKey,)
    permission_classes = (Scoped,)
    throttle_classes = (Paced,)
    content_negotiation_class = AnyAnswer
    schema = Described()

    def __init_subclass__(cls, **words: Any) -> None:
        """Let it have the methods that its operations name, and no others."""
        super().__init_subclass__(**words)
        head = ["head"] if "get" in cls.operations else []
        cls.http_method_names = [*cls.operations, *head]
        if cls.is_public:
            cls.authentication_classes = ()

    def dispatch(self, request: Any, *arguments: Any, **path: Any) -> Any:
        """Answer a request; what is within the wall of its company ends with it."""
        with ExitStack() as self.walls:
            return super().dispatch(request, *arguments, **path)

    def initial(self, request: Any, *arguments: Any, **path: Any) -> None:
        """Look at the key; from here on the database shows the rows of its company only."""
        super().initial(request, *arguments, **path)
        if not self.is_public:
            self.walls.enter_context(wall.within(self.company.pk))

    # -- who asks, and for what ------------------------------------------------------------------

    @property
    def key(self) -> ApiKey:
        """Return the key that the request carries."""
        return cast("ApiKey", self.request.auth)

    @property
    def company(self) -> Company:
        """Return the company whose key it is."""
        return self.key.company

    @cached_property
    def now(self) -> datetime:
        """Return the time of the request, by the database's clock."""
        if self.is_public:
            return database_now()
        _ = self.key  # Whose look-up tells the time.
        return cast("datetime", self.request.asked_at)  # type: ignore[attr-defined]  # The same.

    @property
    def actor(self) -> str:
        """Return who is said to have done it."""
        return self.key.actor

    @property
    def operation(self) -> Operation:
        """Return what is asked for."""
        method = str(self.request.method).lower()
        return self.operations["get" if method == "head" else method]

    @cached_property
    def body(self) -> tuple[dict[str, Any], bool]:
        """Return what the body says, and whether it is a form; raises Invalid and Problem."""
        return body_of(self.request._request)  # noqa: SLF001  # The framework's own would buffer it.

    def taken(self) -> dict[str, Any]:
        """Return the values that the operation takes; raises Invalid that names every bad one."""
        data, is_form = self.body
        return self.operation.taken.read(data, is_form=is_form)

    @cached_property
    def asked(self) -> dict[str, Any]:
        """Return what the query says; raises Problem that names every bad parameter."""
        query = self.operation.query
        if query is Nothing and self.is_original:
            query = Whatever
        try:
            data = query_of(self.request._request)  # noqa: SLF001  # The same.
            return query.read(data, is_form=True)
        except Invalid as invalid:
            raise Problem.of(invalid, where="parameter") from None

    def own(self, rows: QuerySet[Row], kind: str, text: str) -> Row:
        """Return the company's thing of this guid; another company's is none: Http404."""
        try:
            identity = parse_guid(text, PREFIXES[kind])
        except Invalid:
            raise Http404 from None
        # There is one at most, so nothing need be sorted: `first` would take as long again.
        for found in rows.filter(pk=identity, company_id=self.company.pk):
            return found
        raise Http404

    # -- what is answered ------------------------------------------------------------------------

    claim: once.Claim | None = None  # Where the request names itself.

    @property
    def request_name(self) -> str:
        """Return the name by which the verbs know a request that names itself, empty for none."""
        return once.name_of(once.key_of(self))

    def stranger(self) -> str:
        """Return what only this caller knows, where nobody's key is needed; empty for nothing."""
        return ""

    def keep(self, answer: Answer) -> Answer:
        """Write the answer down within the transaction that is open; returns it."""
        if self.claim is not None:
            self.claim.keep(answer)
        return answer

    def post(self, *_: Any, **path: str) -> HttpResponse:
        """Make what is asked for, once, where the request names itself."""
        self.asked  # noqa: B018  # Bad parameters are refused before anything happens.
        return once.answer(self, lambda: self.make(**path))

    def told(self, row: Any) -> Answer:
        """Return the answer that shows one row, with its ETag; 304 where it is known already.

        The tag is of the row alone, for If-Match: it does not tell of changes in what is expanded.
        """
        operation = self.operation
        assert operation.shape is not None  # noqa: S101  # Said by the operation.
        said = operation.shape.of(row)
        tag = tag_of(said)
        is_whole = self.request.method in {"GET", "HEAD"} and not self.asked.get("expand")
        if is_whole and tag in self._tags("If-None-Match"):
            answer = Answer({}, ETag=tag)
            answer.content, answer.status_code = b"", 304
            return answer
        self._expand([row], [said])
        return Answer(said, ETag=tag)

    def listed(self, rows: QuerySet[Any]) -> Answer:
        """Return the answer that shows a page of these rows."""
        operation = self.operation
        assert operation.shape is not None  # noqa: S101  # Said by the operation.
        try:
            found = page(rows, self.asked, order=operation.order)
        except Invalid as invalid:
            raise Problem.of(invalid, where="parameter") from None
        self.complete(found.rows)
        items = [operation.shape.of(row) for row in found.rows]
        self._expand(found.rows, items)
        return Answer(found.envelope(items))

    def complete(self, rows: list[Any]) -> None:
        """Bring to the rows what their shape tells besides, in a fixed number of statements."""

    def unless_changed(self, row: Any) -> None:
        """Raise Problem (412) where If-Match names another state than the row's."""
        tags = self._tags("If-Match")
        shape = self.operation.shape
        if not tags or "*" in tags or shape is None:
            return
        self.complete([row])
        if tag_of(shape.of(row)) not in tags:
            raise Problem(412, "PreconditionFailed", CHANGED)

    def _tags(self, header: str) -> list[str]:
        said = str(self.request.headers.get(header, ""))
        return [tag.strip().removeprefix("W/") for tag in said.split(",") if tag.strip()]

    def _expand(self, rows: list[Any], items: list[dict[str, Any]]) -> None:
        for name in self.asked.get("expand") or ():
            chosen = next(each for each in self.operation.expands if each.name == name)
            chosen.put(rows, items, company=self.company)

    def handle_exception(self, exc: Exception) -> Any:
        """Answer an error; what is no fault of the request is for the last resort."""
        answer = answered(exc)
        if answer is None:
            raise exc
        return answer


class Public(Door):
    """A route that needs no key."""

    is_public = True


def tag_of(said: Mapping[str, Any]) -> str:
    """Return the ETag of what is told of a row, before anything is expanded."""
    text = json.dumps(said, separators=(",", ":"), sort_keys=True)
    return f'"{sha256(text.encode()).hexdigest()[:32]}"'
