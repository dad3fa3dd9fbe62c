"""Rows of companies are kept apart by the database too, for the role that requests take.

Roles belong to the whole server, so another database may have made this one. Where it may not be
made, the policies bind nobody yet, and docs/security.md says what an administrator runs.
"""

from django.db import migrations

TENANT = "nullif(current_setting('billy.tenant', true), '')::uuid"
OF_A_COMPANY = (
    "billy_accounts_apikey",
    "billy_accounts_customer",
    "billy_accounts_fundinginstrument",
    "billy_accounts_idempotentrequest",
    "billy_audit_auditevent",
    "billy_audit_audittrail",
    "billy_audit_outbox",
    "billy_invoices_auditfeed",
    "billy_invoices_numberseries",
    "billy_invoices_payoutday",
    "billy_invoices_transaction",
    "billy_plans_plan",
    "billy_schedulers_scheduler",
    "billy_schedulers_usage",
    "billy_webhooks_delivery",
    "billy_webhooks_endpoint",
    "billy_webhooks_inbound",
)
COMPANY = "billy_accounts_company"  # Its own id is what the others name.
CHECKPOINT, HEAD = "billy_audit_checkpoint", "billy_audit_checkpointhead"
INSTALLATION = "billy_accounts_installation"  # One row, which names no company's things.

ROLE = """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'billy_web') THEN
        CREATE ROLE billy_web NOLOGIN;
    END IF;
    GRANT billy_web TO CURRENT_USER;
EXCEPTION
    WHEN insufficient_privilege OR duplicate_object OR unique_violation THEN
        RAISE NOTICE 'role billy_web: %', SQLERRM;
END
$$;
"""
WALL = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_company ON {table} USING ({rule});
"""
ALLOWED = """
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'billy_web') THEN
        EXECUTE 'GRANT SELECT, INSERT, UPDATE ON {written} TO billy_web';
        EXECUTE 'GRANT SELECT ON {read} TO billy_web';
        EXECUTE 'GRANT DELETE ON {forgotten} TO billy_web';
    END IF;
END
$$;
"""
NO_WALL = """
DROP POLICY own_company ON {table};
ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;
"""
RULES = {
    **dict.fromkeys(OF_A_COMPANY, f"company_id = {TENANT}"),
    COMPANY: f"id = {TENANT}",
    CHECKPOINT: f"company_id = {TENANT}",
    # Its checkpoint has the same wall before it.
    HEAD: f"EXISTS (SELECT FROM {CHECKPOINT} c WHERE c.id = checkpoint_id)",
}
FORWARD = [
    ROLE,
    *(WALL.format(table=table, rule=rule) for table, rule in RULES.items()),
    ALLOWED.format(
        written=", ".join((*OF_A_COMPANY, COMPANY)),
        read=f"{CHECKPOINT}, {HEAD}, {INSTALLATION}",
        forgotten="billy_accounts_idempotentrequest, billy_webhooks_inbound",
    ),
]
# The role stays: other databases of the server may use it.
BACKWARD = [NO_WALL.format(table=table) for table in RULES]


class Migration(migrations.Migration):
    dependencies = [
        ("billy_accounts", "0004_limits_of_money"),
        ("billy_audit", "0005_began_at"),
        ("billy_invoices", "0006_payout_days"),
        ("billy_plans", "0001_initial"),
        ("billy_schedulers", "0006_listed_by_trail"),
        ("billy_webhooks", "0003_endpoints"),
    ]
    operations = [migrations.RunSQL("\n".join(FORWARD), "\n".join(BACKWARD))]
