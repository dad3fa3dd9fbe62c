"""The sandbox's time: the machine's, moved, or standing still."""

from datetime import UTC, datetime, timedelta


def stamp(at: datetime) -> str:
    """The instant as the API writes it: UTC, microseconds, `Z`. Texts order as the instants do."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def instant(text: str) -> datetime:
    """The aware instant that a text names; without an offset it is UTC. Raises ValueError."""
    at = datetime.fromisoformat(text.strip())
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def later(text: str, seconds: float) -> str:
    """The stamp so many seconds after another stamp."""
    return stamp(instant(text) + timedelta(seconds=seconds))


class Clock:
    """Follows the machine until it is set; once set, it stands until it is moved or released."""

    def __init__(self) -> None:
        self._stands_at: datetime | None = None
        self._ahead = timedelta(0)

    @property
    def is_set(self) -> bool:
        """Whether it stands."""
        return self._stands_at is not None

    def now(self) -> datetime:
        """The aware instant that it shows."""
        if self._stands_at is not None:
            return self._stands_at
        return datetime.now(UTC) + self._ahead  # noqa: TID251 - this is the clock itself.

    def stamp(self) -> str:
        """The instant that it shows, as the API writes it."""
        return stamp(self.now())

    def set(self, at: datetime) -> None:
        """Stand still at an aware instant, earlier or later than before."""
        self._stands_at = at.astimezone(UTC)

    def advance(self, seconds: float) -> None:
        """Move on. A running clock runs on from there, a standing one stands there."""
        if self._stands_at is None:
            self._ahead += timedelta(seconds=seconds)
        else:
            self._stands_at += timedelta(seconds=seconds)

    def release(self) -> None:
        """Follow the machine again."""
        self._stands_at = None
        self._ahead = timedelta(0)
