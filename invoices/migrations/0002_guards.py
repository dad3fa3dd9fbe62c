"""What the protocol never does to money's rows, the database refuses: for its owner too.

The moves are those of `invoices.states`; a test compares the two.
"""

from django.db import migrations

FEED_MOVES = (
    "draft>open,draft>settled,draft>voided,draft>waived,open>parked,open>settled,"
    "open>uncollected,open>voided,open>waived,parked>open,parked>settled,"
    "parked>voided,settled>open,uncollected>open,uncollected>settled,"
    "uncollected>voided"
)
TRANSACTION_MOVES = (
    "intent>declined,intent>parked,intent>pending,intent>queued,intent>rejected,"
    "intent>succeeded,intent>unknown,intent>voided,parked>declined,parked>succeeded,"
    "parked>voided,pending>declined,pending>succeeded,queued>intent,queued>voided,"
    "succeeded>returned,unknown>declined,unknown>parked,unknown>pending,"
    "unknown>rejected,unknown>succeeded"
)

FEED = "billy_invoices_auditfeed"
TRANSACTION = "billy_invoices_transaction"
SERIES = "billy_invoices_numberseries"

# A trigger on columns costs nothing where a statement does not name them.
FEED_FIXED = (
    "id, company_id, trail_id, occurrence, change, kind, direction, period_start, period_end,"
    " customer_id, plan_id, currency, terms, total, external_id, due_at, created_at"
)
TRANSACTION_FIXED = (
    "id, company_id, feed_id, attempt, step, kind, reference_to_id, instrument_id, statement_text,"
    " key, request_hash, amount, currency, processor_account, created_at"
)

FORWARD = f"""
CREATE TRIGGER feed_kept BEFORE DELETE OR TRUNCATE ON {FEED} FOR EACH STATEMENT
    EXECUTE FUNCTION billy_refuse('invoices are kept');
CREATE TRIGGER feed_fixed BEFORE UPDATE OF {FEED_FIXED} ON {FEED} FOR EACH STATEMENT
    EXECUTE FUNCTION billy_refuse('what was invoiced is not edited');
CREATE TRIGGER feed_moves BEFORE UPDATE ON {FEED} FOR EACH ROW
    WHEN (NEW.state <> OLD.state
          AND OLD.state || '>' || NEW.state <> ALL ('{{{FEED_MOVES}}}'::text[]))
    EXECUTE FUNCTION billy_refuse('invoices have no such move');
CREATE TRIGGER feed_number_kept BEFORE UPDATE ON {FEED} FOR EACH ROW
    WHEN (OLD.number IS NOT NULL
          AND (NEW.number IS DISTINCT FROM OLD.number OR NEW.series IS DISTINCT FROM OLD.series))
    EXECUTE FUNCTION billy_refuse('a number is given once');
ALTER TABLE {FEED} ENABLE ALWAYS TRIGGER feed_kept;
ALTER TABLE {FEED} ENABLE ALWAYS TRIGGER feed_fixed;
ALTER TABLE {FEED} ENABLE ALWAYS TRIGGER feed_moves;
ALTER TABLE {FEED} ENABLE ALWAYS TRIGGER feed_number_kept;

ALTER TABLE {TRANSACTION} ADD CONSTRAINT transaction_readable CHECK (
    jsonb_typeof(failures) = 'array' AND looks BETWEEN 0 AND 1000000
    AND due_at BETWEEN '1970-01-01Z' AND '9999-12-30Z');
CREATE TRIGGER transaction_kept BEFORE DELETE OR TRUNCATE ON {TRANSACTION} FOR EACH STATEMENT
    EXECUTE FUNCTION billy_refuse('transactions are kept');
CREATE TRIGGER transaction_fixed BEFORE UPDATE OF {TRANSACTION_FIXED}
    ON {TRANSACTION} FOR EACH STATEMENT
    EXECUTE FUNCTION billy_refuse('what was asked for is not edited');
CREATE TRIGGER transaction_moves BEFORE UPDATE ON {TRANSACTION} FOR EACH ROW
    WHEN (NEW.state <> OLD.state
          AND OLD.state || '>' || NEW.state <> ALL ('{{{TRANSACTION_MOVES}}}'::text[]))
    EXECUTE FUNCTION billy_refuse('attempts have no such move');
CREATE TRIGGER transaction_remote_kept BEFORE UPDATE ON {TRANSACTION} FOR EACH ROW
    WHEN (OLD.processor_uri IS NOT NULL AND NEW.processor_uri IS DISTINCT FROM OLD.processor_uri)
    EXECUTE FUNCTION billy_refuse('an attempt has one object at the processor');
ALTER TABLE {TRANSACTION} ENABLE ALWAYS TRIGGER transaction_kept;
ALTER TABLE {TRANSACTION} ENABLE ALWAYS TRIGGER transaction_fixed;
ALTER TABLE {TRANSACTION} ENABLE ALWAYS TRIGGER transaction_moves;
ALTER TABLE {TRANSACTION} ENABLE ALWAYS TRIGGER transaction_remote_kept;

CREATE TRIGGER series_kept BEFORE DELETE OR TRUNCATE ON {SERIES} FOR EACH STATEMENT
    EXECUTE FUNCTION billy_refuse('numbers are kept');
CREATE TRIGGER series_forward BEFORE UPDATE ON {SERIES} FOR EACH ROW
    WHEN (NEW.last < OLD.last) EXECUTE FUNCTION billy_refuse('numbers only go up');
ALTER TABLE {SERIES} ENABLE ALWAYS TRIGGER series_kept;
ALTER TABLE {SERIES} ENABLE ALWAYS TRIGGER series_forward;
"""

BACKWARD = f"ALTER TABLE {TRANSACTION} DROP CONSTRAINT transaction_readable;" + "".join(
    f"DROP TRIGGER {name} ON {table};"
    for table, names in (
        (FEED, ("feed_kept", "feed_fixed", "feed_moves", "feed_number_kept")),
        (
            TRANSACTION,
            (
                "transaction_kept",
                "transaction_fixed",
                "transaction_moves",
                "transaction_remote_kept",
            ),
        ),
        (SERIES, ("series_kept", "series_forward")),
    )
    for name in names
)


class Migration(migrations.Migration):
    dependencies = [("billy_invoices", "0001_initial"), ("billy_audit", "0002_append_only")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
