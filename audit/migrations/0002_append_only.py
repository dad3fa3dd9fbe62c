"""Facts are never edited: the database itself refuses, for its owner too."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION billy_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: %', TG_OP, TG_TABLE_NAME, TG_ARGV[0]
        USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
    ON billy_audit_auditevent FOR EACH STATEMENT
    EXECUTE FUNCTION billy_refuse('events are append-only');
ALTER TABLE billy_audit_auditevent ENABLE ALWAYS TRIGGER event_append_only;

CREATE TRIGGER trail_kept BEFORE DELETE OR TRUNCATE
    ON billy_audit_audittrail FOR EACH STATEMENT
    EXECUTE FUNCTION billy_refuse('trails are kept');
CREATE TRIGGER trail_identity BEFORE UPDATE OF id, company_id, subject
    ON billy_audit_audittrail FOR EACH STATEMENT
    EXECUTE FUNCTION billy_refuse('a trail stays with its subject');
CREATE TRIGGER trail_forward BEFORE UPDATE ON billy_audit_audittrail FOR EACH ROW
    WHEN (NEW.head_seq < OLD.head_seq)
    EXECUTE FUNCTION billy_refuse('a chain only grows');
ALTER TABLE billy_audit_audittrail ENABLE ALWAYS TRIGGER trail_kept;
ALTER TABLE billy_audit_audittrail ENABLE ALWAYS TRIGGER trail_identity;
ALTER TABLE billy_audit_audittrail ENABLE ALWAYS TRIGGER trail_forward;
"""

BACKWARD = """
DROP TRIGGER trail_forward ON billy_audit_audittrail;
DROP TRIGGER trail_identity ON billy_audit_audittrail;
DROP TRIGGER trail_kept ON billy_audit_audittrail;
DROP TRIGGER event_append_only ON billy_audit_auditevent;
DROP FUNCTION billy_refuse();
"""


class Migration(migrations.Migration):
    dependencies = [("billy_audit", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
