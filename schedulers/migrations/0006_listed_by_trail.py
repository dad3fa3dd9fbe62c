"""Schedulers are listed by their trails: an index less that each cycle writes.

More room in their pages lets five of six cycles write a row where it was, instead of two of three.
"""

from django.db import migrations

ROOM = "ALTER TABLE billy_schedulers_scheduler SET (fillfactor = {})"


class Migration(migrations.Migration):
    dependencies = [
        ("billy_audit", "0005_began_at"),
        ("billy_schedulers", "0005_newest_first"),
    ]
    operations = [
        migrations.RemoveIndex(model_name="scheduler", name="scheduler_newest"),
        migrations.RunSQL(ROOM.format(60), ROOM.format(70)),
    ]
