from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("billy_accounts", "0002_keys_and_answers"),
        ("billy_audit", "0004_room_for_heads"),
        ("billy_plans", "0001_initial"),
        ("billy_schedulers", "0004_more_room"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="scheduler",
            index=models.Index(fields=["company", "created_at", "trail"], name="scheduler_newest"),
        ),
    ]
