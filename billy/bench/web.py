"""The API beside bare views: requests a second of the same things, in one process and one run.

Both go through all of Django as it is served: the WSGI application, its middleware, the resolver.
They take turns, so that whatever else the machine does meets both.
"""

from __future__ import annotations

import io
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from billy.bench.database import Server

NEEDED: Final = 0.6  # Of the bare view's requests a second.
TURNS: Final = 8
REQUESTS: Final = 60  # Of each in a turn.
CUSTOMERS: Final = 2_000
ENVIRONMENT: Final = {
    "BILLY_PROCESSOR": "memory",
    "BILLY_REQUESTS_PER_SECOND": "1000000",
    "BILLY_REQUESTS_AT_ONCE": "1000000",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The same thing asked of Billy and of a bare view: method, path and body of each."""

    name: str
    billy: tuple[str, str, dict[str, Any] | None]
    bare: tuple[str, str, dict[str, Any] | None]


def measure(server: Server, *, turns: int = TURNS) -> Iterator[str]:
    """Make a database, measure, and yield the lines of a report."""
    from billy.bench import children

    url = server.make("api")
    children.ask("migrate", url=url)
    found = children.ask("by_api", url=url, environment=ENVIRONMENT, turns=turns)
    yield f"{'':22}{'Billy':>10}{'bare':>10}{'share':>8}   (requests a second; {NEEDED} is needed)"
    for name, (ours, bare) in found.items():
        yield f"{name:22}{ours:>10,.0f}{bare:>10,.0f}{ours / bare:>8.2f}"


def by_api(*, turns: int) -> dict[str, tuple[float, float]]:
    """Measure each pair in this process; returns requests a second of Billy and of the bare one."""
    from django.conf import settings

    settings.ROOT_URLCONF = "billy.bench.bare"
    from django.core.wsgi import get_wsgi_application

    application = get_wsgi_application()
    key, pairs = _stage()
    found = {}
    for pair in pairs:
        ours, bare = (_asking(application, each, key=key) for each in (pair.billy, pair.bare))
        ours(REQUESTS // 4)
        bare(REQUESTS // 4)
        seconds = [0.0, 0.0]
        for _ in range(turns):
            seconds[0] += ours(REQUESTS)
            seconds[1] += bare(REQUESTS)
        asked = turns * REQUESTS
        found[pair.name] = (asked / seconds[0], asked / seconds[1])
    return found


def _stage() -> tuple[str, list[Pair]]:
    """Open a company with customers and a plan; returns its key and what is asked."""
    from accounts.clock import database_now
    from accounts.enroll import enroll
    from accounts.models import Customer
    from core.ids import PREFIXES, guid
    from plans.models import Plan
    from schedulers import limits

    now, processor = database_now(), limits.processor()
    account = processor.open_account(url="memory:")
    company, key = enroll(name="Measured", account=account, processor=processor, now=now)
    words = {"name": "Alice", "email": "", "external_id": None, "time_zone": ""}
    people = [Customer.drafted(**words, company=company, now=now) for _ in range(CUSTOMERS)]  # type: ignore[arg-type]  # As it takes them.
    Customer.insert(people, now=now)
    plan = Plan.create(company=company, amount=1000, now=now)
    one = people[0]
    later = now.replace(year=now.year + 1, day=1).isoformat()
    terms = {"customer_guid": one.guid, "plan_guid": plan.guid, "started_at": later}
    name = guid(PREFIXES["customer"], one.pk)
    return key, [
        Pair(
            name="get a customer",
            billy=("GET", f"/v1/customers/{name}", None),
            bare=("GET", f"/bare/customers/{one.pk}", None),
        ),
        Pair(
            name="list 20 customers",
            billy=("GET", "/v1/customers", None),
            bare=("GET", "/bare/customers", None),
        ),
        Pair(
            name="make a customer",
            billy=("POST", "/v1/customers", {"name": "Bob"}),
            bare=("POST", "/bare/customers", {"name": "Bob"}),
        ),
        Pair(
            name="make a subscription",
            billy=("POST", "/v1/subscriptions", terms),
            bare=("POST", "/bare/subscriptions", {"plan": str(plan.pk), "customer": str(one.pk)}),
        ),
    ]


def _asking(
    application: Any, asked: tuple[str, str, dict[str, Any] | None], *, key: str
) -> Callable[[int], float]:
    """Return what makes so many requests and says how many seconds they took."""
    method, path, told = asked
    body = b"" if told is None else json.dumps(told).encode()
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "HTTP_HOST": "127.0.0.1",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_AUTHORIZATION": f"Bearer {key}",
        "HTTP_X_FORWARDED_PROTO": "https",
        "wsgi.url_scheme": "https",
        "wsgi.errors": io.StringIO(),
    }

    def ask(times: int) -> float:
        began = time.monotonic()
        for _ in range(times):
            answer = application(environ | {"wsgi.input": io.BytesIO(body)}, _begin)
            told = b"".join(answer)
            answer.close()
            assert told, "an empty answer"  # noqa: S101  # A bench that does not look measures nothing.
        return time.monotonic() - began

    return ask


def _begin(status: str, headers: Any, *_: Any) -> None:
    del headers
    if not status.startswith("200"):
        message = f"a request was answered {status}"
        raise RuntimeError(message)
