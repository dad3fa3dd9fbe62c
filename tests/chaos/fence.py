"""The guard of T3 alone: an outcome of a holder whose lease was taken over must change no row.

`python -m tests.chaos.fence` in a fresh installation. With a processor that keeps keys no run of
processes can see the fence missing, since both holders hear the same answer; so it is asked here.
Exit 0: it held. Exit 1: it did not.
"""

import os
import sys
from datetime import timedelta

LONG_AGO = "UPDATE billy_invoices_transaction SET lease_until = clock_timestamp() - interval '1 h'"


def main():
    """Let a first holder settle what a second one holds by now."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billy.settings")
    import django

    django.setup()
    from django.db import connection

    from accounts.clock import database_now
    from invoices import payments
    from invoices.models import Transaction
    from schedulers import cycle, limits
    from schedulers.begin import begin
    from tasks.outcome import Outcome, Verdict

    now, within = database_now() - timedelta(hours=1), limits.from_settings()
    begun = begin(now=now, limits=within)
    first = begun.held[0]
    for _ in range(2):  # Once to become unknown or not, once more with the same state before.
        with connection.cursor() as cursor:
            cursor.execute(LONG_AGO)
        taken = {
            each.transaction_id: each for each in payments.lease_lost(limit=500, lease_seconds=60)
        }
    second = taken[first.transaction_id]
    before = Transaction.objects.get(pk=first.transaction_id)
    late = Outcome(
        transaction_id=first.transaction_id, verdict=Verdict.SUCCEEDED, uri="/debits/WDlate"
    )
    landed = cycle.settle([(first, late)], now=now, limits=within)
    after = Transaction.objects.get(pk=first.transaction_id)
    own = cycle.settle([(second, late)], now=now, limits=within)
    if not own and not landed:
        sys.exit("the holder itself could not settle: this shows nothing")
    held = not landed and (before.state, before.lease_token) == (after.state, after.lease_token)
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
