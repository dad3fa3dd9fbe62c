"""Who is attacked: two companies at a real sandbox, staff at the admin, and real web processes.

Everything that must never be told is known here by name, so that the judge can look for it.
"""

import json
import os
import secrets
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client

from accounts import open as opening
from accounts.clock import database_now
from accounts.models import Company, Customer
from accounts.open import account_of
from billy.demo.desk import Desk
from billy.tests.processes import Child, told
from core.ids import PREFIXES, guid, parse_guid
from plans.models import Plan
from schedulers import cycle, limits
from schedulers.subscribe import Subscription, subscribe
from tests.hostile.framing import send
from tests.hostile.values import CARD

OTHERS_NAME = "Bob of the other company"
WORKERS = 2
THREADS = 4
READY_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """One company that has sold something, and what the processor tells of it."""

    company: Company
    api_key: str
    events: tuple[str, ...]

    @classmethod
    def opened(cls, name, *, buyer, sandbox_url):
        """Open a company at the sandbox and charge one buyer."""
        made = json.loads(told("bootstrap", "--json", "--name", name, processor_url=sandbox_url))
        company = Company.objects.get(pk=parse_guid(made["company"], PREFIXES["company"]))
        now, processor = database_now(), limits.processor()
        desk = Desk(account_of(company))
        customer = Customer.create(company=company, name=buyer, now=now)
        card = opening.instrument(
            desk.card(name="x"), customer=customer, processor=processor, now=now
        )
        plan = Plan.create(company=company, amount=100, now=now, description=f"goat of {name}")
        subscribe(Subscription(plan=plan, customer=customer, instrument=card), now=now)
        cycle.tick(processor=processor, now=now, limits=limits.from_settings())
        events = tuple(each["id"] for each in desk.everything("events"))
        desk.close()
        return cls(company=company, api_key=made["api_key"], events=events)


class World:
    """What the attacker knows, and what nobody may learn."""

    def __init__(self, ours, others, *, session_key):
        self.ours, self.others = ours, others
        self.session = session_key.encode()
        self.csrf = "c" * 32
        self.cookie = b"sessionid=%s; csrftoken=%s" % (self.session, self.csrf.encode())
        self.authorization = b"Bearer " + ours.api_key.encode()
        self.visitor = b"csrftoken=" + self.csrf.encode()
        self.victim = User.objects.create_user("victim", password=secrets.token_urlsafe())

    @classmethod
    def built(cls, *, sandbox_url):
        """Build both companies, and log a member of the staff in."""
        ours = Shop.opened("Attacked", buyer="Alice", sandbox_url=sandbox_url)
        others = Shop.opened("Another", buyer=OTHERS_NAME, sandbox_url=sandbox_url)
        client = Client()
        client.force_login(User.objects.create_superuser("staff"))
        return cls(ours, others, session_key=client.session.session_key)

    def secrets(self):
        """Return, by name, what must be in no answer, no log line and no row."""
        found = {"SECRET_KEY": settings.SECRET_KEY, "a card number": CARD}
        for name, shop in (("our", self.ours), ("another company's", self.others)):
            found |= {
                f"{name} processor key": shop.company.processor_key,
                f"{name} callback key": shop.company.callback_key,
                f"{name} API key": shop.api_key,
            }
        found |= {
            f"encryption key {number}": key
            for number, key in enumerate(settings.BILLY_ENCRYPTION_KEYS)
        }
        return {name: value.encode() for name, value in found.items()}

    def not_ours(self):
        """Return what only staff may see: the other company's data."""
        return {"another company's customer": OTHERS_NAME.encode(), "its offer": b"goat of Another"}

    def values(self, route):
        """Return a harmless value for each parameter of a route."""
        return {
            "guid": self.ours.company.guid,
            "key": self.ours.company.callback_key,
            "app_label": "billy_accounts",
            "url": "nothing/here",
            "content_type_id": "1",
            "id": str(self.victim.pk),
            "object_id": self._object(route.pattern),
        }

    def _object(self, pattern):
        app, model = [*pattern.split("/"), "", ""][1:3]
        if app == "auth":
            return str(self.victim.pk)
        try:
            found = apps.get_model(app, model)
        except LookupError:
            return "1"
        row = found.objects.order_by("pk").first()
        page = admin.site.get_model_admin(found)
        return "1" if row is None else page.address(row.pk).split("/")[-3]

    def event_body(self):
        """Return a callback as the processor sends it."""
        return json.dumps({"events": [{"id": self.ours.events[0]}], "links": {}}).encode()

    def addresses(self):
        """Return guids and keys of which only the first pair belongs together."""
        ours, others = self.ours.company, self.others.company
        key = ours.callback_key
        flipped = key[:5] + ("a" if key[5] != "a" else "b") + key[6:]
        nobody = guid(PREFIXES["company"], self.victim_uuid())
        wrong = (flipped, key[:-1], key + "x", key.upper(), "é" * 20, "\0", "x" * 3_000, key[::-1])
        return (
            (ours.guid, key),
            *((ours.guid, each) for each in wrong),
            (ours.guid, others.callback_key),
            (ours.guid, self.ours.api_key),
            (others.guid, key),
            (nobody, key),
            ("CU" + ours.guid[2:], key),
            (str(ours.pk), key),
        )

    def claims(self):
        """Return bodies that say what is not so, or what was said already."""
        mine, theirs = self.ours.events[0], self.others.events[0]
        forged = {"type": "debit.failed", "entity": {"debits": [{"status": "failed", "amount": 1}]}}
        told_of = (
            {"id": theirs},
            {"id": mine} | forged,
            {"events": [{"id": mine} | forged]},
            {"id": "EV" + "0" * 32} | forged,
            {"id": mine[::-1]},
            {"id": CARD},
            {"id": mine.lower()},
            {"events": [{"id": theirs}, {"id": mine}]},
        )
        return [json.dumps(each).encode() for each in told_of]

    @staticmethod
    def victim_uuid():
        """Return a UUID that belongs to nothing."""
        return parse_guid("CP" + "1" * 21 + "z", PREFIXES["company"])


class Web(Child):
    """Gunicorn as it is deployed, on a port of its own, with its log in a file."""

    def __init__(self, log: Path, *, application="billy.wsgi", **changes):
        self.port = free_port()
        self.path = log
        serving = ("--bind", f"127.0.0.1:{self.port}")
        sizes = ("--workers", WORKERS, "--threads", THREADS, "--access-logfile", "-")
        self._given = {
            "SECRET_KEY": settings.SECRET_KEY,
            "BILLY_ENCRYPTION_KEYS": ",".join(settings.BILLY_ENCRYPTION_KEYS),
            "BILLY_API_KEY_PEPPERS": ",".join(
                f"{name}:{value}" for name, value in settings.BILLY_API_KEY_PEPPERS.items()
            ),
            "DEBUG": "0",
            "SECURE_SSL_REDIRECT": "0",
            "DATABASE_URL": os.environ["DATABASE_URL"],
            "CELERY_BROKER_URL": None,
            "REDIS_URL": None,
            "LOG_LEVEL": "INFO",
            "PYTHONUNBUFFERED": "1",
            **changes,
        }
        super().__init__("-m", "gunicorn", application, *serving, *sizes, log=log, **self._given)
        self._wait()
        self.born = self.workers()

    def workers(self):
        """Return the ids of the processes that answer."""
        pid = self.process.pid
        listed = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
        return {int(child) for child in listed.split()}

    def _wait(self):
        ends = time.monotonic() + READY_SECONDS
        asked = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        while True:
            try:
                if send(self.port, asked).status == 200 and len(self.workers()) == WORKERS:
                    return
            except OSError:
                pass
            said = self.path.read_text() if self.path.exists() else ""
            assert time.monotonic() < ends, f"the web process did not start: {said}"
            assert self.process.poll() is None, f"the web process ended: {said}"
            time.sleep(0.1)


def free_port():
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
