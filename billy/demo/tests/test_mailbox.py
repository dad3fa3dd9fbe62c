"""Callbacks are kept as they came."""

from __future__ import annotations

import urllib.request

import pytest

from billy.demo.mailbox import Letter, Mailbox

EVENT = b'{"events": [{"id": "EV1", "entity": {"debits": [{"href": "/debits/WD1"}], "links": {}}}]}'


def test_a_letter_is_kept_with_its_path():
    with Mailbox() as mailbox:
        request = urllib.request.Request(f"{mailbox.url}/v1/x/", data=EVENT)  # noqa: S310  # Our own server.
        with urllib.request.urlopen(request) as answer:  # noqa: S310  # The same.
            told = (answer.status, answer.read())
        letter = mailbox.next(seconds=5)

    assert told == (200, b'{"code":"ok"}')
    assert letter == Letter(path="/v1/x/", body=EVENT)


def test_an_empty_mailbox_has_no_letter():
    with Mailbox() as mailbox:
        assert mailbox.next(seconds=0) is None


@pytest.mark.parametrize(
    ("body", "about"),
    [
        (EVENT, "/debits/WD1"),
        (b"", ""),
        (b"[]", ""),
        (b'{"events": []}', ""),
        (b'{"events": [{"entity": {}}]}', ""),
        (b'{"events": [{"entity": {"debits": []}}]}', ""),
        (b'{"events": [{"entity": [1]}]}', ""),
    ],
)
def test_a_letter_says_what_it_is_about(body, about):
    assert about == Letter(path="/", body=body).about
