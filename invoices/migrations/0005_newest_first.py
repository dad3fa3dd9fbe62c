from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billy_accounts", "0002_keys_and_answers"),
        ("billy_audit", "0004_room_for_heads"),
        ("billy_invoices", "0004_lean_writes"),
        ("billy_plans", "0001_initial"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="auditfeed",
            index=models.Index(fields=["company", "created_at", "id"], name="feed_newest"),
        ),
        migrations.AddIndex(
            model_name="transaction",
            index=models.Index(fields=["company", "created_at", "id"], name="transaction_newest"),
        ),
    ]
