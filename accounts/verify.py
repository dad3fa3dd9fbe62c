"""Whether people and their secrets are kept as promised: the checks of this room."""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps

from accounts.models import ApiKey, Company, Customer
from accounts.secret import PREFIX, SecretField
from audit.findings import Check, Find, Finding, Scope, asked, offenders
from audit.models import AuditEvent
from audit.sets import array
from core.currencies import EXPONENTS

COMPANY = f'"{Company._meta.db_table}"'
CUSTOMER = f'"{Customer._meta.db_table}"'
EVENT = f'"{AuditEvent._meta.db_table}"'

# A Fernet token: its version is the byte 0x80, and so in base 64 it always begins like this.
CIPHERTEXT = f"^{PREFIX}gAAAAA[A-Za-z0-9_-]+=*$"

# Names and addresses of people are in no event, so no more than their birth can be compared.
BORN = f"""
SELECT '{{kind}}', r.id, 'no event tells of its birth' FROM {{table}} r
 WHERE NOT EXISTS (SELECT 1 FROM {EVENT} e
        WHERE e.trail_id = r.id AND e.dedupe = '{{kind}}.created' AND e.kind = '{{kind}}.created')
"""
CURRENCY = f"""
SELECT 'company', id, 'its currency is none' FROM {COMPANY}
 WHERE currency <> ALL ('{array("text", EXPONENTS)}'::text[])
"""
FINGERPRINTS = f"""
SELECT 'API key', id, 'is kept as something else than its fingerprint'
  FROM "{ApiKey._meta.db_table}" WHERE fingerprint !~ '^[0-9a-f]{{64}}$'
"""


def secrets(scope: Scope) -> Iterator[Finding]:
    """Yield rows that hold a secret in clear, or as no scheme of ours writes it."""
    for model in apps.get_models():
        table = model._meta.db_table
        for field in model._meta.get_fields():
            if isinstance(field, SecretField):
                name = model._meta.model_name
                column = f'"{field.column}"'
                yield from offenders(
                    f"SELECT '{name}', \"{model._meta.pk.column}\", 'its {field.name} is in clear'"
                    f" FROM \"{table}\" WHERE {column} <> '' AND {column} !~ '{CIPHERTEXT}'",
                    scope,
                )


def born(kind: str, table: str) -> Find:
    """Return the question whether every row of a kind has the event that it was made."""
    return asked(BORN.format(kind=kind, table=table))


CHECKS = (
    Check(id="I10", title="companies have events", depth="full", find=born("company", COMPANY)),
    Check(id="I10", title="customers have events", depth="full", find=born("customer", CUSTOMER)),
    Check(id="I12", title="companies' currencies", depth="full", find=asked(CURRENCY)),
    Check(id="I23", title="secrets are ciphertext", depth="fast", find=secrets),
    Check(id="I23", title="keys are fingerprints", depth="fast", find=asked(FINGERPRINTS)),
)
