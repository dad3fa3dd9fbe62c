import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billy_accounts", "0002_keys_and_answers"),
    ]

    operations = [
        migrations.AddField(
            model_name="fundinginstrument",
            name="external_id",
            field=models.CharField(max_length=128, null=True),
        ),
        migrations.AddConstraint(
            model_name="fundinginstrument",
            constraint=models.UniqueConstraint(
                fields=("company", "external_id"), name="instrument_external_once"
            ),
        ),
        migrations.AddField(
            model_name="apikey",
            name="updated_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.RunSQL(
            "UPDATE billy_accounts_apikey SET updated_at = coalesce(revoked_at, created_at)",
            migrations.RunSQL.noop,
        ),
        migrations.AlterField(
            model_name="apikey",
            name="updated_at",
            field=models.DateTimeField(),
        ),
        migrations.AlterField(
            model_name="idempotentrequest",
            name="company",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.RESTRICT,
                to="billy_accounts.company",
            ),
        ),
        migrations.AddConstraint(
            model_name="idempotentrequest",
            constraint=models.UniqueConstraint(
                condition=models.Q(("company__isnull", True)),
                fields=("key",),
                name="request_of_stranger_once",
            ),
        ),
    ]
