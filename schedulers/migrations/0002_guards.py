"""A scheduler moves along its table only, and its counter never restarts.

The moves are those of `schedulers.states`; a test compares the two.
"""

from django.db import migrations

MOVES = (
    "active>canceled,active>ended,active>errored,active>held,active>parked,"
    "active>past_due,active>paused,errored>active,errored>canceled,held>active,"
    "held>canceled,parked>active,parked>canceled,parked>past_due,parked>trialing,"
    "past_due>active,past_due>canceled,past_due>ended,past_due>errored,past_due>held,"
    "past_due>parked,past_due>paused,paused>active,paused>canceled,paused>trialing,"
    "trialing>active,trialing>canceled,trialing>ended,trialing>errored,trialing>held,"
    "trialing>parked,trialing>paused"
)
TABLE = "billy_schedulers_scheduler"

FORWARD = f"""
ALTER TABLE {TABLE} ADD CONSTRAINT scheduler_instants_sound CHECK (
    anchor_at BETWEEN '1970-01-01Z' AND '9999-12-30Z'
    AND started_at BETWEEN '1970-01-01Z' AND '9999-12-30Z'
    AND next_run_at BETWEEN '1970-01-01Z' AND '9999-12-30Z'
    AND coalesce(trial_ends_at, anchor_at) BETWEEN '1970-01-01Z' AND '9999-12-30Z'
    AND coalesce(cancel_at, anchor_at) BETWEEN '1970-01-01Z' AND '9999-12-30Z');
CREATE TRIGGER scheduler_kept BEFORE DELETE OR TRUNCATE ON {TABLE} FOR EACH STATEMENT
    EXECUTE FUNCTION billy_refuse('schedulers are kept');
CREATE TRIGGER scheduler_moves BEFORE UPDATE ON {TABLE} FOR EACH ROW
    WHEN (NEW.state <> OLD.state
          AND OLD.state || '>' || NEW.state <> ALL ('{{{MOVES}}}'::text[]))
    EXECUTE FUNCTION billy_refuse('schedulers have no such move');
CREATE TRIGGER scheduler_forward BEFORE UPDATE ON {TABLE} FOR EACH ROW
    WHEN (NEW.occurrence < OLD.occurrence)
    EXECUTE FUNCTION billy_refuse('the counter never restarts');
ALTER TABLE {TABLE} ENABLE ALWAYS TRIGGER scheduler_kept;
ALTER TABLE {TABLE} ENABLE ALWAYS TRIGGER scheduler_moves;
ALTER TABLE {TABLE} ENABLE ALWAYS TRIGGER scheduler_forward;
"""
BACKWARD = f"""
ALTER TABLE {TABLE} DROP CONSTRAINT scheduler_instants_sound;
DROP TRIGGER scheduler_forward ON {TABLE};
DROP TRIGGER scheduler_moves ON {TABLE};
DROP TRIGGER scheduler_kept ON {TABLE};
"""


class Migration(migrations.Migration):
    dependencies = [("billy_schedulers", "0001_initial"), ("billy_audit", "0002_append_only")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
