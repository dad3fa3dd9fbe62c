"""Outcomes cost the log less: rows are not locked twice, and a key is indexed by itself.

A trigger before an update of a row locks that row first, and the lock is logged. One after it sees
the same two rows, refuses as well, and costs nothing where its condition does not hold.

The key of an attempt names its installation and company, so it is unique without its account.
"""

from django.db import migrations, models

ROW_TRIGGERS = ("feed_moves", "feed_number_kept", "transaction_moves", "transaction_remote_kept")


def turned(before: str, after: str) -> str:
    """Return the statement that makes the triggers anew, to fire at another moment."""
    return f"""
DO $$
DECLARE each record;
BEGIN
    FOR each IN
        SELECT t.tgname, t.tgrelid::regclass AS relation, pg_get_triggerdef(t.oid) AS told
        FROM pg_trigger t WHERE t.tgname IN {ROW_TRIGGERS}
    LOOP
        EXECUTE format('DROP TRIGGER %I ON %s', each.tgname, each.relation);
        EXECUTE replace(each.told, ' {before} UPDATE ON ', ' {after} UPDATE ON ');
        EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', each.relation, each.tgname);
    END LOOP;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("billy_invoices", "0003_lean_cycle")]

    operations = [
        migrations.RunSQL(turned("BEFORE", "AFTER"), turned("AFTER", "BEFORE")),
        migrations.RemoveConstraint(model_name="transaction", name="transaction_key_once"),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.UniqueConstraint(fields=("key",), name="transaction_key_once"),
        ),
    ]
