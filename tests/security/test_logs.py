"""A line of the log is one line, in UTC, with the request's name, and without secrets."""

import json
import logging
import os
import subprocess
import sys
from datetime import datetime, timedelta

import pytest

from billy.logs import Json, Line
from billy.places import CHECKOUT
from billy.web import naming
from core.ids import api_key

INJECTED = [
    "x\n2026-01-01T00:00:00.000+00:00 ERROR forged [-]: all is well",
    "x\r\ny",
    "a\u2028b\u2029c\x85d",
    "\x1b[2J\x1b]0;owned\x07",
    "\u202egnp.exe",
    "a\0b",
    "\ud800",
    "a\x0bb\x0cc\x1cd",
]
FORMS = {"line": Line, "json": Json}


def record(message, *args, error=None, **about):
    made = logging.LogRecord("billy.test", logging.WARNING, "file", 1, message, args, error)
    for name, value in about.items():
        setattr(made, name, value)
    return made


def fail(message):
    raise RuntimeError(message)


def caught(message):
    try:
        fail(message)
    except RuntimeError:
        return sys.exc_info()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("text", INJECTED)
def test_whatever_is_told_stays_one_line_that_prints(form, text):
    lines = [
        FORMS[form]().format(record("%s", text)),
        FORMS[form]().format(record("an event", event=text)),
        FORMS[form]().format(record("an error", error=caught(text))),
    ]

    assert all(line.isprintable() for line in lines)


def test_a_line_tells_who_when_and_for_whom():
    naming.request_name.set("order-66-abc")

    line = Line().format(record("%s rows", 3, company="CP1", event="EV1"))

    at, rest = line.split(" ", 1)
    assert datetime.fromisoformat(at).utcoffset() == timedelta(0)
    assert rest == "WARNING billy.test [order-66-abc]: 3 rows company=CP1 event=EV1"


def test_json_tells_the_same_and_the_trace():
    naming.request_name.set("order-66-abc")

    told = json.loads(Json().format(record("%s rows", 3, attempt="TX1", error=caught("broken"))))

    trace = told.pop("trace")
    assert datetime.fromisoformat(told.pop("at")).utcoffset() == timedelta(0)
    assert told == {
        "level": "WARNING",
        "logger": "billy.test",
        "request": "order-66-abc",
        "message": "3 rows",
        "attempt": "TX1",
    }
    assert trace.endswith("RuntimeError: broken")


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "text",
    [
        "card 4111111111111111",
        "4111 1111 1111 1111",
        "/a?q=%34111111111111111",
        "4111%2D1111-1111-1111",
    ],
)
def test_the_number_of_a_card_is_not_told(form, text):
    lines = [
        FORMS[form]().format(record(text)),
        FORMS[form]().format(record("%s", text)),
        FORMS[form]().format(record("an error", error=caught(text))),
    ]

    assert not any("1111" in line for line in lines)


def test_the_log_is_json_where_it_is_asked_for(tmp_path):
    program = (
        "import django, logging; django.setup(); logging.getLogger('billy').error('a\\nb %s', 1)"
    )
    told = subprocess.run(
        [sys.executable, "-c", program],
        cwd=CHECKOUT,
        env=os.environ | {"LOG_FORMAT": "json", "DJANGO_SETTINGS_MODULE": "billy.settings"},
        capture_output=True,
        text=True,
        check=True,
    )

    (line,) = told.stderr.splitlines()
    assert json.loads(line)["message"] == "a\nb 1"


def test_another_form_is_refused():
    told = subprocess.run(
        [sys.executable, "-c", "import billy.settings"],
        cwd=CHECKOUT,
        env=os.environ | {"LOG_FORMAT": "xml"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "LOG_FORMAT must be one of line, json" in told.stderr


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "address", ["/v1/companies/CP1/callbacks/{}/", "/v1/allbacks/{}", "Basic {}"]
)
def test_a_key_is_not_told_wherever_it_stands(form, address):
    key = api_key()

    line = FORMS[form]().format(record("%s", address.format(key)))

    assert key not in line
