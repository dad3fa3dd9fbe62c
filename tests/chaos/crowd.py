"""Who is billed in a run: schedulers with DST days and months' ends, described for both sides.

What is written here is imported into Billy, and what the judge expects is read from here too, so
the judge does not ask Billy what Billy should have done.
"""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from tests.chaos.calendar import exists, occurrence

ZONES = (
    *("America/New_York", "Europe/Berlin", "Australia/Lord_Howe"),
    *("Asia/Kolkata", "America/Sao_Paulo", "UTC"),
)
WALLS = ((2, 30), (9, 0), (23, 59), (1, 30))  # Two of them fall into the hours that clocks change.
# Of ten: daily, weekly across both changes of the clock, and monthly from the 31st of January.
FREQUENCIES = ("daily",) * 6 + ("weekly",) * 2 + ("monthly",) * 2
EARLY_ONE_IN = 40  # Their last occurrence lies in the next hour: only a clock ahead may open it.
MONTHLY_YEARS = 5  # Fifty months and some, with a leap day in between.
EARLY_BY = timedelta(minutes=50)


@dataclass(frozen=True, kw_only=True)
class Payer:
    """One scheduler to come: its name, what it owes each period, and when its periods are."""

    name: str
    company: int
    wave: int
    direction: str
    pays_by: str  # card | bank_account
    cents: int
    frequency: str
    zone: str
    anchor: str  # Local time, without a zone.
    periods: int

    def instant(self, n):
        """Return when its n-th occurrence is due."""
        return occurrence(datetime.fromisoformat(self.anchor), self.zone, self.frequency, n)

    def row(self, uri):
        """Return the line of the import file."""
        start = self.instant(0).isoformat()
        plan = f"{self.direction}-{self.frequency}"
        words = (self.name, self.name, "", plan, self.direction, self.cents, "USD", self.frequency)
        words += (1, start, self.zone, self.periods, uri, "each")
        return ",".join(map(str, words))

    def as_json(self):
        return asdict(self)


def crowd(plan, *, now, chance):
    """Return the payers of a plan: companies by their shares, one in five is paid out to."""
    found = []
    for n in range(plan.schedulers):
        place = n * 100 / plan.schedulers
        company = next(c for c in range(len(plan.shares)) if place < sum(plan.shares[: c + 1]))
        direction = "credit" if n % 5 == 0 else "debit"
        by_bank = direction == "credit" or n % 16 == 1
        frequency = FREQUENCIES[n % len(FREQUENCIES)]
        zone = ZONES[chance.randrange(len(ZONES))]
        early = n % EARLY_ONE_IN == 7
        found.append(
            Payer(
                name=f"S{n:05d}",
                company=company,
                wave=chance.randrange(plan.waves),
                direction=direction,
                pays_by="bank_account" if by_bank else "card",
                cents=1_000 + chance.randrange(9_000),
                frequency="daily" if early else frequency,
                zone="UTC" if early else zone,
                periods=plan.periods,
                anchor=_anchor(
                    "early" if early else frequency, zone, plan.periods, now=now, chance=chance
                ).isoformat(),
            )
        )
    return found


def _anchor(frequency, zone, periods, *, now, chance):
    """Return a local time from which all periods lie in the past, or all but the last."""
    if frequency == "early":
        last = (now + EARLY_BY).replace(tzinfo=None, microsecond=0)
        return last - timedelta(days=periods - 1)
    hour, minute = WALLS[chance.randrange(len(WALLS))]
    if frequency == "monthly":
        return datetime(now.year - MONTHLY_YEARS, 1, 31, hour, minute)
    days = periods + 1 if frequency == "daily" else 7 * periods + 1
    anchor = now.replace(tzinfo=None, hour=hour, minute=minute, second=0, microsecond=0)
    anchor -= timedelta(days=days + chance.randrange(3))
    while not exists(anchor, zone):
        anchor -= timedelta(days=1)
    return anchor
