"""What the rooms call things, and what the API calls them."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from billy.api.problems import Problem
from core.invalid import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = {
    "customer": "customer_guid",
    "plan": "plan_guid",
    "funding_instrument": "funding_instrument_uri",
    "statement_text": "appears_on_statement_as",
}


@contextmanager
def words(kind: str = "InvalidParameters", **names: str) -> Iterator[None]:
    """Tell what a room refuses under the API's own names; `kind` is the class of the error."""
    try:
        yield
    except Invalid as problem:
        known = NAMES | names
        told = {known.get(name, name): words for name, words in problem.errors.items()}
        raise Problem.of(type(problem)(told), kind=kind) from None
