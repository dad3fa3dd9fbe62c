"""The description is what the code says, and what the pages and the client show is run."""

import json
import re
import shutil
import subprocess
import sys
import threading
from io import StringIO
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import jsonschema
import pytest
from django.core.management import call_command
from django.db import connections
from django.test import Client

from accounts.clock import database_now
from audit.models import AuditEvent
from billy.api import urls
from billy.api.tests.conftest import CARD
from billy.places import CHECKOUT
from billy.wsgi import application
from examples.billy_client import Billy, BillyError, DuplicateExternalID, NotFound, generate
from tests.pages import blocks
from webhooks.deliver import message, relay
from webhooks.models import Delivery

pytestmark = pytest.mark.django_db


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


class Threads(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def process_request_thread(self, request, client_address):
        super().process_request_thread(request, client_address)
        connections.close_all()


@pytest.fixture
def address(api):
    """A server of this process, on the test's own database."""
    server = make_server("127.0.0.1", 0, application, Threads, handler_class=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_the_description_is_what_the_code_says():
    told = StringIO()

    call_command("spectacular", "--format", "openapi-json", "--fail-on-warn", stdout=told)

    kept = urls.root.DESCRIPTION.read_text()
    assert json.loads(told.getvalue()) == json.loads(kept), "run `make openapi`"


def test_the_description_holds_every_error_and_an_example_of_all():
    told = json.loads(urls.root.DESCRIPTION.read_text())

    for path, methods in told["paths"].items():
        for method, operation in methods.items():
            good = operation["responses"]["200"].get("content", {})
            shown = [each for each in good.values() if "examples" in each]
            assert shown or path.startswith("/v1/exports") or path == "/v1/openapi.json", path
            assert {"400", "422", "429", "503"} <= operation["responses"].keys(), (path, method)
    assert "3.1.0" == told["openapi"]


def test_every_pattern_is_one_that_javascript_reads():
    """With its flag `u`, as JSON Schema has it, only signs that mean something are escaped."""
    patterns = re.findall(r'"pattern": ("(?:[^"\\\\]|\\\\.)*")', urls.root.DESCRIPTION.read_text())

    escaped = {each for text in patterns for each in re.findall(r"\\(.)", json.loads(text))}

    assert escaped
    assert escaped <= set("^$\\.*+?()[]{}|/-dDsSwWu")


def test_every_example_is_what_its_schema_says():
    told = json.loads(urls.root.DESCRIPTION.read_text())
    contents = [
        content
        for methods in told["paths"].values()
        for operation in methods.values()
        for holder in (operation.get("requestBody", {}), *operation["responses"].values())
        for content in holder.get("content", {}).values()
        if "examples" in content
    ]

    for content in contents:
        for example in content["examples"].values():
            schema = {"components": told["components"], **content["schema"]}
            jsonschema.validate(example["value"], schema, jsonschema.Draft202012Validator)
    assert len(contents) > 100


def test_a_message_is_as_described(api, alice):
    """What an endpoint is sent has the fields that the description tells, and no others."""
    told = json.loads(urls.root.DESCRIPTION.read_text())
    api.made("webhook_endpoints", {"url": "https://hooks.example.com/a"})
    api.made("invoices", {"customer_guid": alice["guid"], "amount": 500})
    relay(now=database_now())

    sent = [
        json.loads(message(each, AuditEvent.objects.select_related("trail").get(pk=each.event_id)))
        for each in Delivery.objects.all()
    ]

    example = told["webhooks"]["event"]["post"]["requestBody"]["content"]["application/json"]
    assert sent
    for each in (*sent, example["examples"]["one"]["value"]):
        schema = {"components": told["components"], **example["schema"]}
        jsonschema.validate(each, schema, jsonschema.Draft202012Validator)


def test_answers_are_as_described(api, subscription, invoice):
    """Every list is read, and each thing has the fields of its shape and no others."""
    from billy.api.shapes import Shape

    for route, door in urls.ROUTES:
        operation = door.operations.get("get")
        if operation and operation.many and "{guid}" not in route:
            assert issubclass(operation.shape, Shape)
            for item in api.get(route).json()["items"]:
                variants = getattr(operation.shape, "variants", (operation.shape,))
                names = [{name for name, _ in each.getters} for each in variants]
                assert item.keys() in names, route


def test_the_description_and_its_pages_are_served_from_here(client):
    description, page = client.get("/v1/openapi.json"), client.get("/v1/docs/")
    script = client.get("/v1/docs/start.js")

    assert description.json()["openapi"] == "3.1.0"
    assert "https://" not in page.content.decode()
    assert "'unsafe-inline'" not in page.headers["Content-Security-Policy"].partition("style")[0]
    assert "/v1/openapi.json" in script.content.decode()
    assert Client().get("/v1/docs").status_code == 200


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page shows curl, which is not here")
def test_the_commands_of_the_page_do_what_it_says(api, alice, address, tmp_path):
    api.made("funding_instruments", {"customer_guid": alice["guid"], "uri": CARD})
    script = "set -e\n" + "\n".join(blocks("docs/api.md", "sh"))

    done = subprocess.run(
        [str(shutil.which("sh")), "-c", script],
        cwd=tmp_path,
        env={"BILLY": address, "KEY": api.key, "PATH": "/usr/local/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr + done.stdout
    assert "settled" in done.stdout.splitlines()
    assert "}200\n" in done.stdout  # What was given back, after the answer before it.
    (check,) = blocks("docs/audit.md", "python")
    checked = subprocess.run(
        [sys.executable, "-I", "-c", check],
        input=(tmp_path / "trail.jsonl").read_text(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert "intact" in checked.stdout, checked.stderr


def test_the_client_of_the_readme_subscribes(api, address):
    _, told = blocks("README.md", "python")
    names = {"API_KEY": api.key}

    exec(compile(told.replace("http://127.0.0.1:8000", address), "README", "exec"), names)  # noqa: S102  # Our own page.

    assert names["subscription"]["invoice_count"] == 1


def test_the_client_pages_and_raises(api, address):
    shop = Billy(address, api_key=api.key)
    made = [shop.customers.create(external_id=f"c{number}")["guid"] for number in range(3)]

    assert [each["guid"] for each in shop.customers.list(limit="2")] == made[::-1]
    with pytest.raises(DuplicateExternalID):
        shop.customers.create(external_id="c0")
    with pytest.raises(NotFound):
        shop.customers.get("CU1")
    with pytest.raises(BillyError) as refused:
        shop.plans.create(amount=1)
    assert {each["pointer"] for each in refused.value.errors} == {
        *("#/plan_type", "#/frequency", "#/amount"),
    }


def test_the_client_s_shapes_are_those_of_the_description():
    told = generate.written(json.loads(urls.root.DESCRIPTION.read_text()))

    assert told == (CHECKOUT / "examples" / "billy_client" / "shapes.py").read_text()
