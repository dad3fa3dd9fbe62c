"""How a merchant reads offers."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import User

from audit.shown import badge
from plans.admin import every
from plans.models import Payout, Plan


@pytest.fixture
def browser(client, database):
    client.force_login(User.objects.create_superuser("boss"))
    return client


def listed(browser, model):
    page = admin.site.get_model_admin(model)
    return list(browser.get(page.search_address("")).context["cl"].result_list)


def test_plans_and_payouts_have_lists_of_their_own(browser, goat, payroll):
    assert listed(browser, Plan) == [goat]
    assert listed(browser, Payout) == [payroll]


def test_the_guid_of_a_payout_is_understood_by_both_pages(browser, payroll):
    answers = [
        browser.get(admin.site.get_model_admin(model).address(payroll.pk))
        for model in (Plan, Payout)
    ]

    assert [each.status_code for each in answers] == [200, 200]


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        (("monthly", 1, ""), "every month"),
        (("monthly", 3, ""), "every 3 months"),
        (("daily", 1, ""), "every day"),
        (("weekly", 2, ""), "every 2 weeks"),
        (("yearly", 1, ""), "every year"),
        (("monthly", 1, "FREQ=MONTHLY;BYMONTHDAY=1,15"), "FREQ=MONTHLY;BYMONTHDAY=1,15"),
    ],
)
def test_how_often_is_told_in_words(terms, words):
    assert every(*terms) == words


def test_a_withdrawn_plan_says_so(goat, now):
    page = admin.site.get_model_admin(Plan)
    before = page.state(goat)

    goat.deleted_at = now

    assert before == badge("offered")
    assert page.state(goat) == badge("withdrawn")
