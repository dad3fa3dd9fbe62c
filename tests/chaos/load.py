"""Brings the load into a fresh installation: companies, cards, schedulers, some of them poisoned.

`python -m tests.chaos.load companies FILE` and then `… wave FILE N`, as a process of Billy's own.
FILE is what the harness asked for; what was made is written beside it.
"""

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.chaos.crowd import Payer
from tests.chaos.till import FAILING, STUCK, Till

ACCOUNTS = {"stuck": STUCK, "failing": FAILING}
# What no verb of ours would write, and what becomes of it: parked, refused, or waiting.
POISONS = (
    'retry_policy = \'{"days": "often"}\'',
    "currency = 'DEM'",
    f"amount = {2**53 - 1}, time_zone = 'Mars/Olympus'",
    "instrument_id = NULL",
)


def main():
    """Do one part of the work."""
    what, path, *rest = sys.argv[1:]
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billy.settings")
    import django

    django.setup()
    asked = json.loads(Path(path).read_text())
    made = Path(path).with_suffix(".made")
    if what == "companies":
        made.write_text(json.dumps(companies(asked)))
    elif what == "cancel":
        cancel_all()
    else:
        wave(asked, json.loads(made.read_text()), int(rest[0]))


def companies(asked):
    """Make the companies and everybody's cards; returns who they are and the uris by payer."""
    from django.core.management import call_command

    from billy.management.commands.bootstrap import callback_address

    call_command("migrate", interactive=False, verbosity=0)
    made = [_company(n, asked) for n in range(asked["companies"])]
    payers = [Payer(**each) for each in asked["payers"]]
    for company in made:
        company["callback"] = callback_address(asked["web"], _row(company))
    for n in asked["listening"]:
        till = Till(asked["sandbox"], made[n]["secret"])
        till.call("POST", "/callbacks", url=made[n]["callback"], method="post")
    with ThreadPoolExecutor(4) as threads:
        uris = list(threads.map(lambda payer: _uri(payer, asked, made), payers))
    return {
        "companies": made,
        "uris": {payer.name: uri for payer, uri in zip(payers, uris, strict=True)},
    }


def wave(asked, made, number):
    """Import one part of the payers; what is there already is left alone."""
    from django.core.management import call_command

    from schedulers.importing import COLUMNS

    payers = [Payer(**each) for each in asked["payers"]]
    for n, company in enumerate(made["companies"]):
        mine = [each for each in payers if (each.company, each.wave) == (n, number)]
        if not mine:
            continue
        lines = [",".join(COLUMNS), *(each.row(made["uris"][each.name]) for each in mine)]
        file = Path(asked["folder"]) / f"import-{n}-{number}.csv"
        file.write_text("\n".join(lines))
        call_command("import_subscriptions", str(file), company=company["guid"])
        _poison([each.name for each in mine if each.name in asked["poisoned"]], asked)


def cancel_all():
    """Cancel everybody at once, by the verb."""
    from accounts.clock import database_now
    from schedulers import rules
    from schedulers.models import Scheduler

    for scheduler in Scheduler.objects.filter(state="active"):
        rules.cancel(scheduler, now=database_now(), at="now")


def _company(n, asked):
    from accounts.clock import database_now
    from accounts.enroll import enroll
    from schedulers import limits

    processor = limits.processor()
    account = processor.open_account(url=asked["sandbox"])
    company, _ = enroll(
        name=f"Company {n}", account=account, processor=processor, now=database_now()
    )
    return {
        "guid": company.guid,
        "id": str(company.pk),
        "secret": account.secret,
        "account": company.processor_account,
    }


def _row(company):
    from accounts.models import Company

    return Company.objects.get(pk=company["id"])


def _uri(payer, asked, made):
    till = Till(asked["sandbox"], made[payer.company]["secret"])
    if payer.pays_by == "card":
        return till.card()
    if payer.pays_by in ACCOUNTS:
        return till.bank_account(ACCOUNTS[payer.pays_by], verified=payer.direction == "debit")
    return till.bank_account(verified=payer.direction == "debit")


def _poison(names, asked):
    """Break rows behind the product's back, before a worker has seen them or after."""
    from django.db import connection

    for name in names:
        change = POISONS[asked["poisoned"].index(name) % len(POISONS)]
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE billy_schedulers_scheduler SET {change} WHERE external_id = %s", [name]
            )


if __name__ == "__main__":
    main()
