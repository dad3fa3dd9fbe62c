"""Last night's backup: the database forgets a thousand payments, and none is made twice.

Frozen, compared with the processor, opened again, run until idle; then every cent is counted.
"""

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

import processors
from accounts import fence
from accounts.clock import database_now
from accounts.enroll import enroll
from accounts.models import Customer
from audit.models import AuditEvent
from audit.verify import broken
from billy.tests.processes import Sandbox, Teller
from conftest import LIMITS, change, crowd, give_instrument, subscribe
from core.frequency import Frequency
from invoices.models import AuditFeed, Transaction
from plans.models import Plan
from processors.memory import Declined, Memory
from schedulers import cycle, limits
from schedulers.watch import stores

pytestmark = [pytest.mark.django_db, pytest.mark.stories]

MANY = 1_400
BEFORE = 200
FEW = 24


def keyless():
    """Make a processor in memory that would pay the same key twice."""
    return Memory(hide_keys=True)


@pytest.fixture(params=["memory", "tests.stories.test_set_back:keyless"])
def twin(request, settings, tmp_path, database):
    """The processor in memory, with and without keys, as the commands find it."""
    yield chosen(settings, tmp_path, request.param)
    processors.load.cache_clear()


@pytest.fixture(params=["balanced", "balanced-lookup"])
def balanced(request, settings, tmp_path, database):
    """Balanced, with and without keys."""
    yield chosen(settings, tmp_path, request.param)
    processors.load.cache_clear()


@pytest.fixture
def sandbox(tmp_path):
    with Sandbox(tmp_path / "ledger.jsonl") as started:
        yield started


def chosen(settings, tmp_path, name):
    settings.BILLY_PROCESSOR = name
    settings.BILLY_FENCE_FILE = str(tmp_path / "fence.json")
    processors.load.cache_clear()
    return limits.processor()


def run_until_idle(*, now):
    for _ in range(50):
        reports = [
            work(processor=limits.processor(), now=now, limits=LIMITS(calls_at_once=8))
            for work in (cycle.tick, cycle.sweep)
        ]
        if not any(report.worked for report in reports):
            return
    raise AssertionError("it does not come to an end")


def minute():
    """Let a minute pass for the fence, and ask it."""
    change("ALTER TABLE billy_audit_mark DISABLE TRIGGER mark_fixed")
    change("UPDATE billy_audit_mark SET at = at - interval '1 minute'")
    change("ALTER TABLE billy_audit_mark ENABLE ALWAYS TRIGGER mark_fixed")
    return fence.look(stores())


def reconciled(*options):
    """Run the command; return its exit code and the only company's part of what it says."""
    out = StringIO()
    try:
        call_command("reconcile", "--json", *options, stdout=out, stderr=StringIO())
        code = 0
    except SystemExit as ended:
        code = ended.code
    ((company,),) = [json.loads(out.getvalue())["companies"]]
    return code, company


def counts(company):
    return {fate: count for fate, count in company["counts"].items() if count}


def test_a_thousand_forgotten_payments_are_not_made_again(twin, rewind):
    keep, bring_back = rewind
    now = database_now()
    account = twin.open_account(url="memory:")
    company = enroll(name="Goats", account=account, processor=twin, now=now)[0]
    goat = Plan.create(company=company, amount=100, frequency=Frequency.MONTHLY, now=now)
    crowd(goat, twin, count=MANY, now=now)
    cycle.tick(processor=twin, now=now, limits=LIMITS(batch_size=BEFORE))
    assert "" == minute()
    keep()
    run_until_idle(now=now)
    assert "" == minute()
    sent, paid = len(twin.orders), len(twin.ledger)
    bring_back()

    assert BEFORE == AuditFeed.objects.count()
    assert "the database" in minute()
    run_until_idle(now=now)
    assert (sent, BEFORE) == (len(twin.orders), AuditFeed.objects.count())
    with pytest.raises(CommandError, match="dispatch is frozen"):
        call_command("tick")

    code, told = reconciled()
    assert (0, {"known": BEFORE, "replays": MANY - BEFORE}) == (code, counts(told))
    call_command("unfreeze", "--reason", "restored from the backup", stdout=StringIO())
    run_until_idle(now=now)

    assert (MANY, MANY * 100) == (paid, twin.sum())
    assert MANY == len(twin.ledger)
    assert MANY == AuditFeed.objects.filter(state="settled", captured=100).count()
    assert MANY == Transaction.objects.filter(state="succeeded").count()
    assert (0, {"known": MANY}) == (reconciled()[0], counts(reconciled()[1]))
    assert [] == list(broken())
    assert 1 == AuditEvent.objects.filter(kind="company.dispatch_opened").count()


def test_the_same_over_http(balanced, sandbox, rewind):
    keep, bring_back = rewind
    now = database_now()
    account = balanced.open_account(url=sandbox.url)
    company = enroll(name="Goats", account=account, processor=balanced, now=now)[0]
    goat = Plan.create(company=company, amount=100, frequency=Frequency.MONTHLY, now=now)
    teller = Teller(sandbox.url, account.secret)
    for number in range(FEW):
        card = teller.card("4444444444444448") if number % 4 == 0 else teller.card()
        customer = Customer.create(company=company, name=str(number), now=now)
        give_instrument(customer, card, memory=balanced, now=now)
        subscribe(goat, customer, now=now)
    teller.close()
    cycle.tick(processor=balanced, now=now, limits=LIMITS(batch_size=4))
    minute()
    keep()
    run_until_idle(now=now)
    run_until_idle(now=now + timedelta(days=2))  # What was declined is tried a second time.
    minute()
    before = sandbox.objects("debit")
    bring_back()

    assert "the database" in minute()
    code, told = reconciled()
    assert (0, FEW + FEW // 4) == (code, sum(counts(told).values()))
    call_command("unfreeze", stdout=StringIO())
    run_until_idle(now=now)
    run_until_idle(now=now + timedelta(days=2))

    assert before == sandbox.objects("debit")
    good = FEW - FEW // 4
    assert good == AuditFeed.objects.filter(state="settled").count()
    assert good * 100 == sum(
        told["amount"] for told in before.values() if told["status"] == "succeeded"
    )
    assert [] == list(broken())


def test_orphans_are_told_by_name_and_by_the_exit_code(twin, rewind):
    keep, bring_back = rewind
    now = database_now()
    account = twin.open_account(url="memory:")
    company = enroll(name="Goats", account=account, processor=twin, now=now)[0]
    goat = Plan.create(company=company, amount=100, frequency=Frequency.MONTHLY, now=now)
    twin.script.append(Declined)
    keep()
    crowd(goat, twin, count=2, now=now)
    run_until_idle(now=now)
    bring_back()

    code, told = reconciled("--dry-run")
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("reconcile", stdout=out, stderr=StringIO())

    assert (3, {"orphan": 2}) == (code, counts(told))
    assert {each["uri"] for each in told["left"]} == {each.uri for each in twin.ledger}
    assert 3 == ended.value.code
    assert "orphan: debit /debits/WD" in out.getvalue()
    assert [{"fate": "orphan", "kind": "debit", "currency": "USD", "amount": 100}] == told["sums"]


def test_a_company_that_cannot_be_compared_is_told(twin):
    now = database_now()
    account = twin.open_account(url="memory:")
    enroll(name="Goats", account=account, processor=twin, now=now)
    twin.bad_secrets.add(account.secret)

    code, told = reconciled()

    assert 2 == code
    assert "could not be asked" in told["problem"]


def test_what_was_made_before_an_instant_is_left_out(twin):
    now = database_now()
    account = twin.open_account(url="memory:")
    company = enroll(name="Goats", account=account, processor=twin, now=now)[0]
    goat = Plan.create(company=company, amount=100, frequency=Frequency.MONTHLY, now=now)
    crowd(goat, twin, count=2, now=now)
    run_until_idle(now=now)

    assert {"known": 2} == counts(reconciled()[1])
    assert {} == counts(reconciled("--since", "9000-01-01T00:00:00Z")[1])
    with pytest.raises(CommandError, match="--since: must be an instant with a time zone"):
        call_command("reconcile", "--since", "yesterday")
