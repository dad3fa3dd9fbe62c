"""Processors in memory for processes that run side by side, or that must not grow."""

from __future__ import annotations

import os
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

from processors.base import Order, Receipt, Status
from processors.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Iterator


class Apart(Memory):
    """The twin in memory, with uris that no other process's twin gives out."""

    def submit(self, order: Order) -> Receipt:
        """Answer as the twin does, under a uri of this process."""
        receipt = super().submit(order)
        return replace(receipt, uri=f"/debits/WD{os.getpid():07d}{receipt.uri[-13:]}")


class Forgetful(Memory):
    """Says yes to every order and keeps none: what grows is the worker itself."""

    def __init__(self) -> None:
        """Start to count."""
        super().__init__()
        self._numbers: Iterator[int] = count()

    def submit(self, order: Order) -> Receipt:
        """Answer with success."""
        return Receipt(
            kind=order.kind,
            uri=f"/debits/WD{os.getpid():07d}{next(self._numbers):013d}",
            status=Status.SUCCEEDED,
            amount=order.amount,
            currency=order.currency,
            key=order.key,
        )
