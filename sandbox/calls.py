"""What the code of a resource is given, and what it gives back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from sandbox.errors import Refusal, invalid
from sandbox.fields import Body
from sandbox.ids import Ids
from sandbox.kinds import BY_RECORD, Kind, kind_of
from sandbox.listing import Page, Query
from sandbox.options import Options
from sandbox.records import ApiKey, Marketplace, Record
from sandbox.store import Store
from sandbox.wire import Json
from sandbox.work import Work

R = TypeVar("R", bound=Record)


class Chances(Protocol):
    """What is left to chance, or to the control door."""

    def card_decline(self, card: str) -> tuple[str, str] | None:
        """The code and the reason with which this debit of a card is declined, or None."""

    def returned(self) -> str | None:
        """The return code of a bank movement that will come back, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A resource, a list, or (both None) nothing. `bare` shows a token instead of the resource."""

    status: int = 200
    record: Record | None = None
    page: Page | None = None
    value: Json = None
    bare: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request to a resource. `id` is the id in its path; `raw` the body of a PATCH."""

    work: Work
    options: Options
    chances: Chances
    api_key: ApiKey | None
    id: str
    body: Body
    query: Query
    raw: Json = None

    @property
    def store(self) -> Store:
        """Everything that is there."""
        return self.work.store

    @property
    def ids(self) -> Ids:
        """The maker of ids."""
        return self.work.ids

    @property
    def marketplace(self) -> Marketplace:
        """The marketplace of the key. Raises Refusal for a key that has none."""
        found = self.store.by_id.get(self.work.marketplace or "")
        if not isinstance(found, Marketplace):
            raise Refusal("not-found", "This key has no marketplace.")
        return found

    def own(self, record: type[R]) -> R:
        """The resource that the path names. Raises Refusal `not-found`."""
        found = self.look(self.id)
        if not isinstance(found, record):
            raise Refusal("not-found")
        return found

    def look(self, id_: str) -> Record | None:
        """The resource with this id, if the key may see it. Claims a token that nobody has."""
        found = self.store.by_id.get(id_)
        if found is None or (found.deleted and not kind_of(found).stays):
            return None
        if isinstance(found, ApiKey):
            if found.marketplace is None and found is not self.api_key:
                return None
        elif found.marketplace is None:
            self._claim(found)
        if found.marketplace != self.work.marketplace:
            return None
        return found

    def referred(self, name: str, id_: str, *records: type[Record]) -> Record:
        """The resource that a field names. Raises Refusal `request` if there is none such."""
        found = self.look(id_)
        if not isinstance(found, records):
            raise invalid(name, f"{id_[:40]!r} was not found")
        return found

    def kind(self, record: type[Record]) -> Kind:
        """The kind of a class of records."""
        return BY_RECORD[record]

    def _claim(self, found: Record) -> None:
        refusal = getattr(found, "refusal", None)
        if refusal is not None:
            raise Refusal(refusal)
        self.work.change(found, marketplace=self.marketplace.id)


Handler = Callable[[Call], Reply]
Routes = Mapping[str, Mapping[str, Handler]]
