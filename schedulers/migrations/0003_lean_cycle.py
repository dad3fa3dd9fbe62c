"""Each cycle moves its scheduler, and so writes every index of it: there are fewer."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billy_accounts", "0001_initial"),
        ("billy_audit", "0002_append_only"),
        ("billy_plans", "0001_initial"),
        ("billy_schedulers", "0002_guards"),
    ]

    operations = [
        migrations.RunSQL(
            "ALTER TABLE billy_schedulers_scheduler SET (fillfactor = 75)",
            "ALTER TABLE billy_schedulers_scheduler RESET (fillfactor)",
        ),
        migrations.RemoveConstraint(
            model_name="scheduler",
            name="scheduler_external_once",
        ),
        migrations.AlterField(
            model_name="scheduler",
            name="instrument",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.RESTRICT,
                to="billy_accounts.fundinginstrument",
            ),
        ),
        migrations.AddConstraint(
            model_name="scheduler",
            constraint=models.UniqueConstraint(
                condition=models.Q(("external_id__isnull", False)),
                fields=("company", "external_id"),
                name="scheduler_external_once",
            ),
        ),
    ]
