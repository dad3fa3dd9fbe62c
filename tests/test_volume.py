"""The million of `make volume` is made by the verbs of production, so it must be clean."""

from datetime import timedelta

from billy.verification import examine
from invoices.models import AuditFeed
from tests.volume import past


def test_the_past_that_is_made_for_measuring_is_clean(database):
    past.fill(occurrences=160, each=10)

    results = examine(depth="full", now=past.START + timedelta(days=1))

    assert [] == [f"{each.id} {each.status}" for each in results if each.status != "clean"]
    assert 160 == AuditFeed.objects.filter(state="settled").count()
