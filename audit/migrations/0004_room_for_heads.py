"""A trail's head moves twice in each cycle: with room in its page that writes no index."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("billy_audit", "0003_checkpoints")]
    operations = [
        migrations.RunSQL(
            "ALTER TABLE billy_audit_audittrail SET (fillfactor = 70)",
            "ALTER TABLE billy_audit_audittrail RESET (fillfactor)",
        )
    ]
