"""How an event reads: what it means, what it did to the money, and where its chain stands."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import User

from audit.models import AuditEvent, AuditTrail
from audit.read_only import linked
from audit.shown import as_json, badge


@pytest.fixture
def browser(client, database):
    client.force_login(User.objects.create_superuser("boss"))
    return client


def test_events_of_a_subject_are_found_by_its_guid(browser, alice, bob):
    page = admin.site.get_model_admin(AuditEvent)

    found = browser.get(page.search_address(alice.guid)).context["cl"].result_list

    assert {event.trail_id for event in found} == {alice.pk}
    assert len(found) == 2


def test_events_are_filtered_by_family(browser, alice):
    answer = browser.get("/admin/billy_audit/auditevent/?family=instrument")

    assert [event.kind for event in answer.context["cl"].result_list] == ["instrument.added"]


def test_an_event_shows_its_place_in_the_chain(browser, alice):
    event = AuditEvent.objects.get(trail=alice.pk, seq=2)
    page = admin.site.get_model_admin(AuditEvent)

    html = browser.get(page.address(event.pk)).content.decode()

    assert bytes(event.hash).hex() in html
    assert bytes(event.prev).hex() in html
    assert f"/{alice.guid}/change/" in html


def test_a_trail_lists_its_events(browser, alice):
    page = admin.site.get_model_admin(AuditTrail)

    (events,) = browser.get(page.address(alice.pk)).context["tables"]

    assert [row[1] for row in events.rows] == ["instrument.added", "customer.created"]


def test_a_guid_is_a_link_where_a_page_shows_its_kind():
    assert linked("CP1111111111111111111111") == (
        '<a href="/admin/billy_accounts/company/CP1111111111111111111111/change/">'
        "CP1111111111111111111111</a>"
    )
    assert linked("TF1111111111111111111111") == "TF1111111111111111111111"


@pytest.mark.parametrize(
    ("state", "tone"),
    [("settled", "good"), ("past_due", "wait"), ("parked", "bad"), ("canceled", "quiet")],
)
def test_a_state_is_coloured_by_how_it_sounds(state, tone):
    words = state.replace("_", " ")

    assert badge(state) == f'<span class="billy-badge billy-{tone}">{words}</span>'


def test_nothing_that_is_shown_is_markup():
    assert "<script>" not in as_json({"name": "<script>alert(1)</script>"})
    assert as_json({}) == "-"
