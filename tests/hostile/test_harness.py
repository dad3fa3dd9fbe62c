"""The harness can fail: a Billy with defects is found out, and a route without an entry too."""

import pytest
from django.http import HttpResponse
from django.urls import path

from tests.hostile.cast import Web
from tests.hostile.corpus import Shot
from tests.hostile.framing import request
from tests.hostile.judge import judged
from tests.hostile.routes import NoEntry, every_route

urlpatterns = [path("new/door", lambda _request: HttpResponse(), name="new-door")]
EXPECTED = {
    "raises": "answered 500",
    "tells_a_secret": "told our callback key",
    "tells_of_others": "told another company's customer",
    "dies": "a web process died",
    "writes_a_line": "a line of the log is not ours",
    "logs_a_secret": "the log holds SECRET_KEY",
    "keeps_a_card": "the database holds a card number",
    "changes_a_row": "changed billy_accounts_customer",
}


def shot(name):
    headers = [(b"Host", b"127.0.0.1"), (b"Connection", b"close")]
    raw = request(b"GET", b"/" + name.encode(), headers, b"")
    return Shot(kind="defect", route=name, raw=raw)


@pytest.mark.hostile
@pytest.mark.parametrize("name", EXPECTED)
def test_each_defect_turns_the_verdict_red(world, tmp_path, name):
    with Web(tmp_path / "web.log", application="tests.hostile.broken") as web:
        sound = judged([shot("livez")], world=world, web=web)
        broken = judged([shot(name)], world=world, web=web)

    assert sound.complaints == []
    assert [each for each in broken.complaints if EXPECTED[name] in each]


def test_every_route_has_an_entry():
    assert len(every_route()) > 100


def test_a_route_without_an_entry_stops_the_run():
    with pytest.raises(NoEntry, match="new-door"):
        every_route(__name__)
