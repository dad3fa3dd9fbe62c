"""The unit of time in `frequency * interval`."""

from __future__ import annotations

from enum import StrEnum

from core.invalid import Invalid


class Frequency(StrEnum):
    """How long one unit is. The values are the wire format and what the database stores."""

    YEARLY = "yearly"
    MONTHLY = "monthly"
    WEEKLY = "weekly"
    DAILY = "daily"

    @classmethod
    def parse(cls, text: object, *, field: str = "frequency") -> Frequency:
        """Return the frequency named by `text`, in any case; raises Invalid naming the choices."""
        if isinstance(text, str):
            try:
                return cls(text.lower())
            except ValueError:
                pass
        raise Invalid({field: f"must be one of {', '.join(cls)}"})
