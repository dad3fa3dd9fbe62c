"""Values of the hot path: a dozen of them are made for each payment.

A frozen dataclass takes twice as long to make as another one, since it sets each field around its
own refusal: in a cycle that is a tenth of all that is computed. So these are frozen for the type
checker, which sees every line that could change one, and not for the interpreter. What a
merchant's own code is given stays frozen for both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

__all__ = ["light"]

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import dataclass as light
else:

    def light(*, frozen: bool, **options: Any) -> Callable[[type], type]:
        """Make a dataclass of `options`; hashable, as a frozen one is."""
        return dataclass(unsafe_hash=frozen, **options)
