"""What a clock on the wall of some place means in UTC."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from core.invalid import Invalid

_DAY = timedelta(days=1)
_LONGEST_NAME = 64  # The longest name of the IANA database has 32 characters.

# Files beside the zones that mean another thing on each machine, or count leap seconds.
_NO_ZONES = re.compile(r"localtime|posixrules|Factory|(posix|right)/.*")


@lru_cache(maxsize=1024)
def zone_named(name: str) -> ZoneInfo:
    """Return the IANA time zone; raises Invalid (field `time_zone`) when there is none.

    The result is cached, so a name costs one look into the zone files for each process.
    """
    try:
        if len(name) <= _LONGEST_NAME and name.isascii() and not _NO_ZONES.fullmatch(name):
            return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # Bad paths, folders of zones, unknown names.
        pass
    raise Invalid(time_zone="must be an IANA time zone, such as America/New_York")


def at_wall_time(day: date, wall: time, zone: ZoneInfo) -> datetime:
    """Return the UTC instant at which clocks in `zone` show `wall` on `day`.

    A time that does not exist moves forward by the gap, one that comes twice means the first.
    A day that a zone left out altogether (Samoa, 30 December 2011) lies half a gap earlier than
    that, so that it still has an instant of its own. Raises Invalid beyond the years 1 to 9999.
    """
    earlier = datetime.combine(day, wall.replace(fold=0) if wall.fold else wall, zone)
    before, after = earlier.utcoffset(), earlier.replace(fold=1).utcoffset()
    try:
        instant = earlier.astimezone(UTC)
    except OverflowError:
        raise Invalid(instant="must lie in the years 1 to 9999") from None
    if before is None or after is None or after - before < _DAY:
        return instant
    return instant - (after - before) / 2
