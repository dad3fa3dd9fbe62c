"""From a request to its answer: who asks, with which key, what is done, what is written down."""

import base64
import binascii
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from sandbox import bodies, router
from sandbox.answers import Outcome
from sandbox.calls import Call, Chances
from sandbox.clock import Clock
from sandbox.errors import Refusal, describe
from sandbox.ids import Ids
from sandbox.keys import Ticket, fingerprint
from sandbox.listing import read_query
from sandbox.options import Options
from sandbox.recorder import Recorder
from sandbox.records import ApiKey
from sandbox.store import Store
from sandbox.wire import Answer, Json, Request, answer_json
from sandbox.work import Work

KEYED_METHODS = frozenset({"POST", "PUT"})
LONGEST_KEY = 255
MAXIMUM_FIELDS = 100
MAXIMUM_CACHED_LOGINS = 10_000
WITHOUT_MARKETPLACE = frozenset({"", "api_keys", "api_keys/:", "marketplaces"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A request that may be carried out. Its key, if it has one, is reserved until it is."""

    request: Request
    route: router.Route
    api_key: ApiKey | None
    body: Json
    ticket: Ticket | None


class Application:
    """Answers requests. `prepare` and `perform` are apart so that a fault can come between them."""

    def __init__(
        self,
        *,
        options: Options,
        clock: Clock,
        store: Store,
        ids: Ids,
        recorder: Recorder,
        chances: Chances,
    ) -> None:
        self.options = options
        self.clock = clock
        self.store = store
        self.ids = ids
        self.recorder = recorder
        self.requests = 0
        self._chances = chances
        self._logins: dict[str, str] = {}

    def prepare(self, request: Request) -> Prepared | Answer:
        """Find out who asks for what, and reserve the key; an answer if it ends there."""
        self.requests += 1
        try:
            route = router.find(request.method, unquote(request.path))
            api_key = self._authenticate(request, route)
            body = bodies.read(request)
            ticket = self._ticket(request, api_key, body)
            if ticket is not None:
                place = self.recorder.keys.take(ticket, at=self.clock.stamp())
                if place is not None:
                    return self.recorder.replay(place)
        except Refusal as refusal:
            return self.refuse(refusal)
        return Prepared(request=request, route=route, api_key=api_key, body=body, ticket=ticket)

    def perform(self, prepared: Prepared) -> Answer:
        """Do it, write it down, and answer. The key is free again afterwards."""
        work = self.work(prepared.api_key.marketplace if prepared.api_key else None)
        try:
            outcome = self._outcome(prepared, work)
            return self.recorder.answer(work, outcome, prepared.ticket)
        except Refusal as refusal:
            work.undo()
            return self.refuse(refusal)
        except OSError:
            work.undo()
            return self.refuse(Refusal("internal-error", "The ledger cannot be written."))
        except BaseException:
            work.undo()
            raise
        finally:
            self.abandon(prepared)

    def abandon(self, prepared: Prepared) -> None:
        """Free the key of a request, done or not."""
        if prepared.ticket is not None:
            self.recorder.keys.release(prepared.ticket)

    def work(self, marketplace: str | None, *, at: str | None = None) -> Work:
        """Begin to change something, now or at another instant."""
        return Work(
            store=self.store, ids=self.ids, marketplace=marketplace, at=at or self.clock.stamp()
        )

    def refuse(self, refusal: Refusal) -> Answer:
        """The answer of a refusal."""
        return answer_json({"errors": [self._describe(refusal)]}, status=refusal.status)

    def _authenticate(self, request: Request, route: router.Route) -> ApiKey | None:
        header = request.headers.get("authorization")
        if header is None:
            if (request.method, route.pattern) in router.OPEN:
                return None
            raise Refusal("authentication-required")
        secret = self._logins.get(header)
        if secret is None:
            secret = _secret(header)
            if len(self._logins) < MAXIMUM_CACHED_LOGINS:
                self._logins[header] = secret
        api_key = self.store.by_secret.get(secret)
        if api_key is None:
            raise Refusal("authentication-required")
        if api_key.marketplace is None and route.pattern not in WITHOUT_MARKETPLACE:
            raise Refusal("not-authorized", "This key has no marketplace.")
        return api_key

    def _ticket(self, request: Request, api_key: ApiKey | None, body: Json) -> Ticket | None:
        key = request.headers.get("idempotency-key")
        if not key or self.options.hide_keys or request.method not in KEYED_METHODS:
            return None
        if len(key) > LONGEST_KEY:
            raise Refusal("request", f"An Idempotency-Key has at most {LONGEST_KEY} characters.")
        return Ticket(
            scope=(api_key.marketplace or api_key.id) if api_key else "",
            key=key,
            fingerprint=fingerprint(request.method, request.path, body),
        )

    def _outcome(self, prepared: Prepared, work: Work) -> Outcome:
        try:
            reply = prepared.route.handler(self._call(prepared, work))
        except Refusal as refusal:
            if refusal.rider is None and refusal.kept is None:
                raise
            return Outcome(
                status=refusal.status,
                record=refusal.rider or refusal.kept,
                errors=[self._describe(refusal)],
                hidden=refusal.rider is None,
            )
        return Outcome(
            status=reply.status,
            record=reply.record,
            page=reply.page,
            value=reply.value,
            bare=reply.bare,
        )

    def _call(self, prepared: Prepared, work: Work) -> Call:
        request = prepared.request
        try:
            pairs = parse_qsl(request.query, keep_blank_values=True, max_num_fields=MAXIMUM_FIELDS)
        except ValueError:
            raise Refusal("request", "The address has too many fields.") from None
        return Call(
            work=work,
            options=self.options,
            chances=self._chances,
            api_key=prepared.api_key,
            id=prepared.route.id,
            body=prepared.body if isinstance(prepared.body, dict) else {},
            query=read_query(request.path, pairs),
            raw=prepared.body,
        )

    def _describe(self, refusal: Refusal) -> dict[str, Json]:
        return describe(refusal, request_id=self.ids.request(self.requests))


def _secret(header: str) -> str:
    """The user name of basic authentication; the password does not matter."""
    scheme, _, encoded = header.partition(" ")
    try:
        login = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        login = ""
    return login.partition(":")[0] if scheme.lower() == "basic" else ""
