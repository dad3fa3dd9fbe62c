"""How an operator reads callbacks."""

import json

from django.contrib import admin
from django.contrib.auth.models import User

from audit.shown import badge
from processors.memory import Pending
from webhooks.models import Inbound


def test_a_callback_says_what_came_of_it(client, shop):
    event_id = shop.newest_event(shop.sell(Pending))
    for told in (event_id, "EVforged"):
        client.post(shop.address, json.dumps({"id": told}), content_type="application/json")
    client.force_login(User.objects.create_superuser("boss"))
    page = admin.site.get_model_admin(Inbound)

    rows = client.get(page.search_address("")).context["cl"].result_list
    one = client.get(page.search_address(event_id)).context["cl"].result_list

    assert [page.result_badge(row) for row in rows] == [badge("unknown"), badge("ok")]
    assert [row.event_id for row in one] == [event_id]
