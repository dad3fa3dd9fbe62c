from django.db import migrations, models

import accounts.secret


class Migration(migrations.Migration):
    dependencies = [
        ("billy_accounts", "0001_initial"),
    ]

    operations = [
        migrations.AddField(
            model_name="apikey",
            name="external_id",
            field=models.CharField(max_length=128, null=True),
        ),
        migrations.AlterField(
            model_name="idempotentrequest",
            name="body",
            field=accounts.secret.SecretField(blank=True, default=""),
        ),
        migrations.AddConstraint(
            model_name="apikey",
            constraint=models.UniqueConstraint(
                fields=("company", "external_id"), name="key_external_once"
            ),
        ),
    ]
