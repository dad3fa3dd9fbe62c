"""What schemathesis cannot know: which things there are, and which refusals no schema can say.

Loaded by `schemathesis` itself, in a process of its own, as `schemathesis.toml` says.
"""

import random
import re
import uuid
from urllib.parse import urlencode

import requests
import schemathesis
from hypothesis import strategies
from schemathesis import GenerationMode
from schemathesis.core.parameters import ParameterLocation

KEY = "Idempotency-Key"
AUTHORIZATION = "Authorization"
# The lists that tell which things there are; the keys that the run itself needs stay out of it.
LISTS = {
    "customers": "customer_guid",
    "plans": "plan_guid",
    "payouts": "",
    "subscriptions": "",
    "schedulers": "",
    "invoices": "",
    "feeds": "",
    "transactions": "",
    "events": "",
    "trails": "",
    "funding_instruments": "",
    "webhook_endpoints": "",
    "deliveries": "",
}
LONGEST_ADDRESS = 3_000  # The web server takes a little more, and answers 414 by itself.
# Values with rules of their own, which docs/scheduling.md and others tell and no schema could.
OWN_RULES = ("#/rule", "#/params", "#/follow_ups", "#/retry_policy")
# Needed only where the task does not compute it.
DEPENDS = {("/v1/payouts", "#/amount"), ("/v1/plans", "#/amount")}
# Classes of refusals that depend on how things stand, not on what was sent.
MEANT = {
    "InvalidOperationError",
    "InvalidFundingInstrument",
    "InvalidCustomer",
    "InvalidCallbackPayload",
}
# What is said of single values that fit the description, and why no description could say it.
REASONS = (
    r"is no (customer|plan) of this company",  # It must exist.
    r"is no customer that the processor knows|is not known to the processor",
    r"was deleted|is deleted already",
    r"was refused by the processor: .*",
    r"is not known; there are .*",  # Tasks are the installation's own.
    r"must not be in the past|must be ahead",  # It depends on when it is asked.
    r"must be in the years 1970 to 9000|must lie in the years .*|must be an instant that exists",
    r"with its adjustments must not be less than nothing, or too much",  # A sum of several fields.
    r"does not open an account: .*",  # The processor knows.
    r"belongs to another customer|is one too many: .*",
    r"is a (debit|credit) task; a (debit|credit) task is needed here",
    r"is above the company's limit: .*",  # Which the company itself has set.
)
SAID = re.compile("|".join(f"(?:{each})" for each in REASONS))

schemathesis.openapi.format(
    "iana-time-zone",
    strategies.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kathmandu"]),
)
session = requests.Session()


@schemathesis.hook
def filter_case(ctx, case):
    """Leave out addresses that never reach Billy."""
    del ctx
    return len(urlencode(case.query or {}, doseq=True)) < LONGEST_ADDRESS


@schemathesis.hook
def before_call(ctx, case, kwargs):
    """Name each request anew, and let half of them be about things that exist."""
    del ctx, kwargs
    session.headers[AUTHORIZATION] = case.headers.get(AUTHORIZATION, "")
    if KEY in (case.headers or {}) and not _is_negative(case, ParameterLocation.HEADER):
        case.headers[KEY] = uuid.uuid4().hex
    if case.meta is None or case.meta.phase.name.value == "stateful" or random.random() < 0.5:
        return
    url, parts = case.operation.base_url.rstrip("/"), case.operation.path.split("/")
    if "guid" in (case.path_parameters or {}) and parts[2] in LISTS:
        found = _one(url, parts[2])
        if found and not _is_negative(case, ParameterLocation.PATH):
            case.path_parameters["guid"] = found["guid"]
    if isinstance(case.body, dict) and not _is_negative(case, ParameterLocation.BODY):
        _name_things(url, case.body)


def _name_things(url, body):
    """Let a body name a customer, its card, and a plan, where it names any."""
    card = _one(url, "funding_instruments")
    plan = _one(url, "plans")
    if card and "customer_guid" in body:
        body["customer_guid"] = card["customer_guid"]
        if body.get("funding_instrument_uri"):
            body["funding_instrument_uri"] = card["uri"]
    if plan and "plan_guid" in body:
        body["plan_guid"] = plan["guid"]


def _one(url, kind):
    where = "schedulers" if kind == "trails" else kind
    items = session.get(f"{url}/v1/{where}?limit=100", timeout=30).json().get("items", [])
    return random.choice(items) if items else None


def _is_negative(case, where):
    return case.meta is not None and case.meta.is_negative_at(where)


@schemathesis.check
def what_is_deleted_is_told_so(ctx, response, case):
    """Find customers and offers that are deleted and not told as such, and others that stay."""
    del ctx
    if case.method != "DELETE" or response.status_code != 200:
        return
    sent = response.request.headers
    read = requests.get(response.request.url, headers=sent, timeout=30)
    if "deleted" not in response.json():
        assert read.status_code == 404, read.text
    else:
        assert read.json() == response.json()
        assert read.json()["deleted"] is True, read.text


@schemathesis.check
def refusals_are_meant(ctx, response, case):
    """Find what fits the description and is refused for what the description should have said."""
    del ctx
    positive = case.meta is not None and case.meta.generation.mode == GenerationMode.POSITIVE
    if response.status_code != 400 or not positive:
        return
    told = response.json()
    if told["error_class"] in MEANT:
        return
    if _holds_fraction(case.body):
        return  # To JSON Schema 1.0 is an integer. Money is stricter.
    unmeant = [each for each in told["errors"] if not _is_meant(case.operation.path, each)]
    assert told["errors"], f"{told['error_class']}: {told['error_message']}"
    assert not unmeant, f"{told['error_class']}: {unmeant}"


def _holds_fraction(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return any(_holds_fraction(each) for each in value)
    return isinstance(value, float)


def _is_meant(path, error):
    where = error.get("pointer", "")
    if where.startswith(OWN_RULES) or (path, where) in DEPENDS:
        return True
    return SAID.fullmatch(error["detail"]) is not None
