"""The bare views that the API is measured beside: Django REST framework as its tutorial has it.

No key, no scope, no limit, no idempotency, no ETag: a serializer of the model and the ORM. They
read the rows that Billy reads and write the rows that Billy writes, the trail and its event too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.urls import include, path
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.clock import database_now
from accounts.models import Company, Customer
from audit.chain import digest
from audit.models import AuditEvent, AuditTrail
from core.ids import uuid7
from plans.models import Plan
from schedulers.models import Scheduler
from schedulers.subscribe import Subscription, drafted

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from audit.chain import Fact

USUAL = 20


class CustomerSerializer(serializers.ModelSerializer[Customer]):
    """A customer as the model has it."""

    class Meta:
        model = Customer
        fields = "__all__"


class SchedulerSerializer(serializers.ModelSerializer[Scheduler]):
    """A scheduler as the model has it."""

    class Meta:
        model = Scheduler
        fields = "__all__"


class Bare(APIView):
    """A view that anybody may call."""

    permission_classes = ()


class Customers(Bare):
    """List and make customers."""

    def get(self, _: Any) -> Response:
        """List the newest."""
        rows = Customer.objects.order_by("-pk")[:USUAL]
        return Response(CustomerSerializer(rows, many=True).data)

    def post(self, request: Any) -> Response:
        """Make one, with its trail and its event."""
        now = database_now()
        company = Company.objects.order_by("pk").defer("processor_key", "callback_key")[0]
        with transaction.atomic():
            identity = _trail(company.pk, "customer", now=now)
            made = Customer.objects.create(
                pk=identity,
                company=company,
                name=request.data["name"],
                created_at=now,
                updated_at=now,
            )
            _event(made.fact("customer.created", {}, dedupe="customer.created"), now=now)
        return Response(CustomerSerializer(made).data)


class OneCustomer(Bare):
    """Show a customer."""

    def get(self, _: Any, pk: UUID) -> Response:
        """Show it."""
        return Response(CustomerSerializer(Customer.objects.get(pk=pk)).data)


class Subscriptions(Bare):
    """Make subscriptions that begin later."""

    def post(self, request: Any) -> Response:
        """Make one, with its trail and its event."""
        now = database_now()
        plans = Plan.objects.select_related("company")
        customers = Customer.objects.select_related("company")
        secrets = ("company__processor_key", "company__callback_key")
        wanted = Subscription(
            plan=plans.defer(*secrets).get(pk=request.data["plan"]),
            customer=customers.defer(*secrets).get(pk=request.data["customer"]),
            started_at=now.replace(year=now.year + 1, day=1),
        )
        with transaction.atomic():
            scheduler = drafted(wanted, now=now)
            scheduler.pk = _trail(scheduler.company_id, "scheduler", now=now)
            scheduler.save(force_insert=True)
            fact = wanted.customer.fact("scheduler.created", {}, dedupe="scheduler.created")
            _event(fact, now=now, trail=scheduler.pk)
        return Response(SchedulerSerializer(scheduler).data)


def _trail(company: UUID, subject: str, *, now: datetime) -> UUID:
    identity = uuid7(now=now)
    AuditTrail.objects.create(pk=identity, company_id=company, subject=subject, began_at=now)
    return identity


def _event(fact: Fact, *, now: datetime, trail: UUID | None = None) -> None:
    about = AuditTrail.objects.select_for_update().get(pk=trail or fact.trail_id)
    hashed = digest(prev=b"", seq=1, at=now, fact=fact)
    AuditEvent.objects.create(
        id=uuid7(now=now),
        company_id=fact.company_id,
        trail=about,
        seq=1,
        kind=fact.kind,
        currency=fact.currency,
        body=fact.body,
        actor=fact.actor,
        at=now,
        dedupe=fact.dedupe,
        prev=b"",
        hash=hashed,
    )
    about.head_seq, about.head_hash = 1, hashed
    about.save(update_fields=["head_seq", "head_hash"])


urlpatterns = [
    path("bare/customers", Customers.as_view()),
    path("bare/customers/<uuid:pk>", OneCustomer.as_view()),
    path("bare/subscriptions", Subscriptions.as_view()),
    path("", include("billy.urls")),
]
