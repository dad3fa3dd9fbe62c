"""A little more room beside each scheduler: fewer of them move to another page in a cycle."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("billy_schedulers", "0003_lean_cycle")]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE billy_schedulers_scheduler SET (fillfactor = 70)",
            "ALTER TABLE billy_schedulers_scheduler SET (fillfactor = 75)",
        ),
    ]
