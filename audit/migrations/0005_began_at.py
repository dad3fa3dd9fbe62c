"""A trail knows when it began: schedulers are listed by it, by an index that no cycle writes."""

from django.db import migrations, models

# The first event of a trail is that its subject was made.
BEGAN = """
UPDATE billy_audit_audittrail AS t SET began_at = coalesce(
    (SELECT e.at FROM billy_audit_auditevent e WHERE e.trail_id = t.id AND e.seq = 1), 'epoch');
"""
GUARD = """
DROP TRIGGER trail_identity ON billy_audit_audittrail;
CREATE TRIGGER trail_identity BEFORE UPDATE OF {columns}
    ON billy_audit_audittrail FOR EACH STATEMENT
    EXECUTE FUNCTION billy_refuse('a trail stays with its subject');
ALTER TABLE billy_audit_audittrail ENABLE ALWAYS TRIGGER trail_identity;
"""
WITH = GUARD.format(columns="id, company_id, subject, began_at")
WITHOUT = GUARD.format(columns="id, company_id, subject")


# What each cycle moves twice should stay within its page: the row has grown by this column.
ROOM = "ALTER TABLE billy_audit_audittrail SET (fillfactor = {})"


class Migration(migrations.Migration):
    dependencies = [("billy_audit", "0004_room_for_heads")]
    operations = [
        migrations.AddField(
            model_name="audittrail", name="began_at", field=models.DateTimeField(null=True)
        ),
        migrations.RunSQL(BEGAN, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="audittrail", name="began_at", field=models.DateTimeField()
        ),
        migrations.RunSQL(WITH, WITHOUT),
        migrations.RunSQL(ROOM.format(60), ROOM.format(70)),
        migrations.AddIndex(
            model_name="audittrail",
            index=models.Index(
                name="trail_newest_scheduler",
                fields=["company_id", "began_at", "id"],
                condition=models.Q(subject="scheduler"),
            ),
        ),
    ]
