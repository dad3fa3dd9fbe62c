"""Bring instruments in: ask the processor, associate them once, keep what it calls them.

The wire comes first and holds no transaction; each step is safe to repeat, because the remote
customer is made under a key that is derived from ours.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import IntegrityError, connection, transaction

from accounts.models import EXTERNAL_LIMIT, Company, Customer, FundingInstrument
from audit.record import heads, record
from audit.sets import once
from core import check
from core.ids import PREFIXES, guid, uuid7
from core.invalid import Invalid, Taken
from processors.base import Account, Misconfigured, NotFound, Processor, ProcessorError, Rejected

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime
    from uuid import UUID

    from processors.base import Instrument

FIELD = "funding_instrument_uri"
URI_LIMIT = 200
TAKEN = "is the name of another funding instrument"


@dataclass(frozen=True, slots=True, kw_only=True)
class Association:
    """What the processor said of an instrument that is to belong to a customer."""

    customer: Customer
    customer_uri: str
    instrument: Instrument


def account_of(company: Company) -> Account:
    """Return the company's account at its processor; raises Invalid where it has no key."""
    if not company.processor_key:
        raise Invalid(
            company="has no processor key, so nothing can be charged or paid; "
            "`manage.py bootstrap` makes a company with one"
        )
    return Account(url=company.processor_url, secret=company.processor_key)


def accounts_of(companies: Collection[UUID]) -> dict[UUID, Account | None]:
    """Return each company's account at its processor, None where it has no key."""
    found = Company.objects.filter(pk__in=companies)
    return {each.pk: account_of(each) if each.processor_key else None for each in found}


def instrument(
    uri: str, *, customer: Customer, processor: Processor, now: datetime
) -> FundingInstrument:
    """Return the customer's instrument of this uri, associated if it is new; raises Invalid."""
    (result,) = instruments([(customer, uri)], processor=processor, now=now, calls_at_once=1)
    if isinstance(result, Invalid):
        raise result
    return result


def check_name(external_id: str | None, *, uri: str, company: Company) -> None:
    """Raise Invalid where an instrument cannot be called so: before the processor hears of it."""
    if external_id is None:
        return
    check.text("external_id", external_id, limit=EXTERNAL_LIMIT)
    rows = FundingInstrument.objects.filter(company=company.pk)
    if rows.filter(external_id=external_id).exclude(uri=uri).exists():
        raise Taken(external_id=TAKEN)
    if rows.filter(uri=uri, external_id__isnull=False).exclude(external_id=external_id).exists():
        raise Invalid(external_id="is not the name that it has by now")


def named(
    instrument: FundingInstrument, external_id: str | None, *, now: datetime
) -> FundingInstrument:
    """Return the instrument under this name of the app's own; one that has none gets it."""
    if external_id is None or instrument.external_id == external_id:
        return instrument
    with once("instrument_external_once", external_id=TAKEN):
        rows = FundingInstrument.objects.filter(pk=instrument.pk, external_id__isnull=True)
        if not rows.update(external_id=external_id, updated_at=now):
            raise Invalid(external_id="is not the name that it has by now")
    instrument.external_id, instrument.updated_at = external_id, now
    return instrument


def instruments(
    wanted: Sequence[tuple[Customer, str]],
    *,
    processor: Processor,
    now: datetime,
    calls_at_once: int,
) -> list[FundingInstrument | Invalid]:
    """Return, for each customer and uri, the instrument or what is wrong with it.

    Instruments that are known are not asked for again. Raises WireInTransaction's kind of
    AssertionError inside a transaction: a lock must not wait for a network.
    """
    assert not connection.in_atomic_block, "associate instruments before the transaction"  # noqa: S101
    accounts = {customer.company_id: _account(customer.company) for customer, _ in wanted}
    known = _known(wanted)
    results: dict[int, FundingInstrument | Invalid | Association] = {}
    unknown: list[int] = []
    for position, (customer, uri) in enumerate(wanted):
        there = known.get((customer.company_id, uri))
        if there is None:
            unknown.append(position)
        elif there.customer_id != customer.pk:
            results[position] = Invalid({FIELD: "belongs to another customer"})
        else:
            results[position] = there
    with ThreadPoolExecutor(max_workers=max(1, calls_at_once)) as threads:
        answers = threads.map(
            lambda position: _associate(
                *wanted[position],
                account=accounts[wanted[position][0].company_id],
                processor=processor,
            ),
            unknown,
        )
        results |= dict(zip(unknown, answers, strict=True))
    return _written([results[position] for position in range(len(wanted))], now=now)


def _known(
    wanted: Sequence[tuple[Customer, str]],
) -> dict[tuple[UUID, str], FundingInstrument]:
    found = FundingInstrument.objects.filter(
        company__in={customer.company_id for customer, _ in wanted},
        uri__in={uri for _, uri in wanted},
    )
    return {(each.company_id, each.uri): each for each in found}


def _account(company: Company) -> Account | Invalid:
    try:
        return account_of(company)
    except Invalid as invalid:
        return invalid


def _associate(
    customer: Customer, uri: str, *, account: Account | Invalid, processor: Processor
) -> Association | Invalid:
    """Ask and associate over the wire; everything that can go wrong names the field.

    It runs in threads, which must not touch the database: each would open a connection.
    """
    if isinstance(account, Invalid):
        return account
    if not uri.startswith("/") or len(uri) > URI_LIMIT:
        return Invalid({FIELD: "must begin with / as the processor names it, such as /cards/CC…"})
    try:
        found = processor.instrument(account=account, uri=uri)
        customer_uri = customer.processor_uri or processor.create_customer(
            account=account,
            key=f"b1-{customer.guid}",
            name=customer.name,
            email=customer.email,
            meta={"billy.customer_guid": customer.guid},
        )
        if found.customer_uri != customer_uri:
            processor.associate(account=account, instrument_uri=uri, customer_uri=customer_uri)
    except NotFound:
        return Invalid({FIELD: "is not known to the processor"})
    except Rejected as rejected:
        return Invalid({FIELD: f"was refused by the processor: {rejected.reason}"})
    except Misconfigured as error:
        return Invalid(company=f"its processor key does not open the account: {error.reason}")
    except ProcessorError as error:
        return Invalid({FIELD: f"could not be checked, try again: {error.reason}"})
    return Association(customer=customer, customer_uri=customer_uri, instrument=found)


def _written(
    results: list[FundingInstrument | Invalid | Association], *, now: datetime
) -> list[FundingInstrument | Invalid]:
    """Write the associations in one transaction; one that somebody else took is Invalid.

    Where another process wrote the same one meanwhile, or the processor calls it by another uri
    than the one asked for, the row that is there is the answer.
    """
    new = [each for each in results if isinstance(each, Association)]
    try:
        with transaction.atomic():
            rows = _insert(new, now=now)
    except IntegrityError:
        return [
            _written_alone(each, now=now) if isinstance(each, Association) else each
            for each in results
        ]
    made = iter(rows)
    return [next(made) if isinstance(each, Association) else each for each in results]


def _written_alone(new: Association, *, now: datetime) -> FundingInstrument | Invalid:
    try:
        with transaction.atomic():
            return _insert([new], now=now)[0]
    except IntegrityError:
        there = FundingInstrument.objects.filter(
            company=new.customer.company_id, uri=new.instrument.uri
        ).first()
        if there is None or there.customer_id != new.customer.pk:
            return Invalid({FIELD: "belongs to another customer"})
        return there


def _insert(new: Sequence[Association], *, now: datetime) -> list[FundingInstrument]:
    if not new:
        return []
    locked = heads({each.customer.pk for each in new})
    rows = [
        FundingInstrument(
            id=uuid7(now=now),
            company_id=each.customer.company_id,
            customer=each.customer,
            uri=each.instrument.uri,
            kind=each.instrument.kind,
            label=each.instrument.label,
            can_debit=each.instrument.can_debit,
            can_credit=each.instrument.can_credit,
            expires=each.instrument.expires,
            created_at=now,
            updated_at=now,
        )
        for each in new
    ]
    FundingInstrument.objects.bulk_create(rows)
    for each in new:
        each.customer.processor_uri = each.customer_uri
        each.customer.updated_at = now
    Customer.objects.bulk_update(
        {each.customer.pk: each.customer for each in new}.values(), ["processor_uri", "updated_at"]
    )
    facts = [
        each.customer.fact(
            "instrument.added",
            {"instrument": guid(PREFIXES["instrument"], row.pk), "kind": row.kind},
            dedupe=f"instrument.added/{row.pk.hex}",
        )
        for each, row in zip(new, rows, strict=True)
    ]
    listens = {each.customer.company_id for each in new if each.customer.company.listens}
    record(facts, heads=locked, now=now, listeners=listens)
    return rows
