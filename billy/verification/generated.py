"""Checks that are made from the models themselves, so that a new table is in them from the start.

I20   along every foreign key, and every id that stands for one, both rows are the same company's
I22   no column of text holds what looks like the number of a card or a bank account
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from django.apps import apps
from django.db import models

from accounts.models import Company, Customer
from accounts.secret import SecretField
from audit.findings import Check, Find, Finding, Scope, asked, shown
from audit.models import AuditEvent, AuditTrail, Outbox
from audit.sets import fetch
from audit.stream import pages
from core.cards import SHORTEST, contains_card_number
from core.ibans import contains_iban
from invoices.models import AuditFeed, Transaction
from schedulers.models import Scheduler

if TYPE_CHECKING:
    from collections.abc import Iterator

    Model = type[models.Model]

# The audit room knows no other, and holds these ids in place of foreign keys.
SOFT: Final[dict[str, Model]] = {
    "company_id": Company,
    "feed_id": AuditFeed,
    "transaction_id": Transaction,
}
SUBJECTS: Final[dict[str, Model]] = {
    "scheduler": Scheduler,
    "customer": Customer,
    "company": Company,
}
KINDS: Final[dict[Model, str]] = {
    AuditEvent: "event",
    AuditFeed: "feed",
    Transaction: "transaction",
    Scheduler: "scheduler",
    Customer: "customer",
    Company: "company",
}
SAMPLE_ROWS: Final = 2_000  # Of each table, for the hourly look.

# What could be a number of either kind; Python decides. Text that is not ASCII may hide digits.
CARD_LIKE: Final = r"[0-9]([ \t.-]{0,3}[0-9]){12}"
IBAN_LIKE: Final = r"\m[A-Z]{2}[0-9]{2}( ?[A-Z0-9]){11,30}\M"


def own_models() -> list[Model]:
    """Return the models of our rooms that have a table of their own."""
    return [
        model
        for model in apps.get_models()
        if model._meta.app_label.startswith("billy_") and not model._meta.proxy
    ]


# --- I20: companies keep apart ------------------------------------------------------------------


def references() -> dict[str, str]:
    """Return a statement for each reference between rows that belong to companies, by its name."""
    found = {}
    for model in own_models():
        for field in model._meta.concrete_fields:
            target = field.related_model or _soft_target(model, field)
            if target is None or isinstance(target, str) or target is model._meta.model:
                continue
            if _tenant(model) and _tenant(target):
                name = f"{model._meta.db_table}.{field.column}"
                found[name] = _crossing(model, str(field.column), target)
    self_references = {
        f"{model._meta.db_table}.{field.column}": _crossing(model, str(field.column), model)
        for model in own_models()
        for field in model._meta.concrete_fields
        if field.related_model is model
    }
    return found | self_references


def _soft_target(model: Model, field: models.Field[Any, Any]) -> Model | None:
    return SOFT.get(field.name) if model in {AuditTrail, AuditEvent, Outbox} else None


def _tenant(model: Model) -> str:
    """Return the column that says whose a row is; nothing for tables of the installation."""
    if model is Company:
        return str(_key(model))
    columns = [str(field.column) for field in model._meta.concrete_fields]
    return "company_id" if "company_id" in columns else ""


def _key(model: Model) -> str:
    key = model._meta.pk
    assert key is not None  # noqa: S101  # Django gives every model one.
    return str(key.column)


def _crossing(model: Model, column: str, target: Model) -> str:
    kind = KINDS.get(model, str(model._meta.verbose_name))
    return (
        f"SELECT '{kind}', c.\"{_key(model)}\", 'its {column} names a row of no or another company'"
        f' FROM "{model._meta.db_table}" c LEFT JOIN "{target._meta.db_table}" p'
        f' ON p."{_key(target)}" = c."{column}" WHERE c."{column}" IS NOT NULL'
        f' AND (p."{_key(target)}" IS NULL OR p."{_tenant(target)}" <> c."{_tenant(model)}")'
    )


def _apart(scope: Scope) -> Iterator[Finding]:
    for statement in references().values():
        yield from asked(statement)(scope)


def _subjects() -> Find:
    """Return the question whether every trail has its subject, and is the subject's company's."""
    table = AuditTrail._meta.db_table
    return asked(
        " UNION ALL ".join(
            f"SELECT 'trail', t.id, 'is of a {subject} that is not there' FROM \"{table}\" t"
            f' LEFT JOIN "{model._meta.db_table}" s ON s."{_key(model)}" = t.id'
            f" WHERE t.subject = '{subject}' AND s.\"{_key(model)}\" IS NULL"
            for subject, model in SUBJECTS.items()
        )
        + f" UNION ALL SELECT 'trail', id, 'is of nothing that we know' FROM \"{table}\""
        f" WHERE subject NOT IN {tuple(SUBJECTS)!r}"
    )


# --- I22: no numbers of cards or bank accounts --------------------------------------------------


def text_columns(model: Model) -> list[str]:
    """Return the columns that could hold such a number; secrets are ciphertext (I23)."""
    return [
        str(field.column)
        for field in model._meta.concrete_fields
        if isinstance(field, models.JSONField | models.TextField | models.CharField)
        and not isinstance(field, SecretField)
        and (getattr(field, "max_length", None) or SHORTEST) >= SHORTEST
    ]


def _numbers(scope: Scope) -> Iterator[Finding]:
    for model in own_models():
        columns = text_columns(model)
        if columns:
            yield from _numbers_in(model, columns, scope)


def _numbers_in(model: Model, columns: list[str], scope: Scope) -> Iterator[Finding]:
    kind = KINDS.get(model, str(model._meta.verbose_name))
    for rows in _suspicious(model, columns, scope):
        for identity, found in rows:
            if contains_card_number(found):
                yield Finding(shown(kind, identity), "holds what looks like a card number")
            elif contains_iban(found):
                yield Finding(shown(kind, identity), "holds what looks like an IBAN")


def _suspicious(model: Model, columns: list[str], scope: Scope) -> Iterator[list[tuple[Any, ...]]]:
    """Yield rows whose text Python should look at: the few with many digits, and what is not ASCII.

    The first are asked for at once, so that several workers of the database may search; the others
    may be many, and come page by page.
    """
    table = model._meta.db_table
    text = ", ".join(f'"{column}"::text' for column in columns)
    sample = "" if scope.whole else f" TABLESAMPLE SYSTEM ({_share(table)})"
    statement = (
        f"SELECT id, text FROM (SELECT \"{_key(model)}\" AS id, concat_ws(' | ', {text}) AS text"
        f' FROM "{table}"{sample}) AS rows WHERE '
    )
    yield fetch(f"{statement} text ~ %s OR text ~ %s", [CARD_LIKE, IBAN_LIKE])
    yield from pages(f"{statement} octet_length(text) <> length(text)", step=scope.step)


def _share(table: str) -> float:
    """Return the percentage of a table's pages that holds about a sample's rows."""
    ((rows,),) = fetch("SELECT reltuples::float8 FROM pg_class WHERE oid = %s::regclass", [table])
    return min(100.0, 100.0 * SAMPLE_ROWS / max(1.0, float(rows)))


CHECKS = (
    Check(id="I20", title="companies keep apart", depth="full", find=_apart),
    Check(id="I20", title="trails have their subjects", depth="full", find=_subjects()),
    Check(id="I22", title="no card, no IBAN", depth="fast", find=_numbers),
)
