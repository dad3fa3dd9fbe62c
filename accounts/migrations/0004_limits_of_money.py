from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billy_accounts", "0003_names_and_strangers"),
        ("billy_audit", "0005_began_at"),
    ]

    operations = [
        migrations.AddField(
            model_name="company",
            name="amount_limit",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="company",
            name="payments_alarm",
            field=models.IntegerField(null=True),
        ),
        migrations.AddField(
            model_name="company",
            name="payout_cap",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="company",
            name="payout_hold_hours",
            field=models.SmallIntegerField(db_default=0, default=0),
        ),
        migrations.AddConstraint(
            model_name="company",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("amount_limit__isnull", True),
                    models.Q(("amount_limit__gte", 1), ("amount_limit__lte", 9007199254740991)),
                    _connector="OR",
                ),
                name="company_amount_limit_sound",
            ),
        ),
        migrations.AddConstraint(
            model_name="company",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("payout_cap__isnull", True),
                    models.Q(("payout_cap__gte", 1), ("payout_cap__lte", 9007199254740991)),
                    _connector="OR",
                ),
                name="company_payout_cap_sound",
            ),
        ),
        migrations.AddConstraint(
            model_name="company",
            constraint=models.CheckConstraint(
                condition=models.Q(("payout_hold_hours__gte", 0), ("payout_hold_hours__lte", 720)),
                name="company_payout_hold_sound",
            ),
        ),
        migrations.AddConstraint(
            model_name="company",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("payments_alarm__isnull", True), ("payments_alarm__gte", 1), _connector="OR"
                ),
                name="company_payments_alarm_sound",
            ),
        ),
    ]
