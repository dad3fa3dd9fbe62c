"""A limit on how long foreign code may run.

It runs in a thread of its own, which is given up when its time is over: Python can interrupt its
own instructions there, but not a sleep or a call into C, and whoever waits must go on all the same.
"""

from __future__ import annotations

import ctypes
import threading
from typing import TYPE_CHECKING, Generic, TypeVar

from django.db import connections

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class TooSlow(BaseException):  # No ordinary `except Exception` may swallow it.
    """The code ran past its limit."""


class Raised(Exception):  # What happened; `error` is the error.
    """The code raised `error`. Apart from what is raised in the thread that waits for it."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(error)
        self.error = error


def within(seconds: float, work: Callable[[], T]) -> T:
    """Return what `work` returns; raises Raised, and TooSlow past so many seconds."""
    run = _Run(work)
    run.start()
    run.join(seconds)
    if run.is_alive():
        run.give_up()
        raise TooSlow
    return run.result()


class _Run(threading.Thread, Generic[T]):
    """One call in a thread that does not keep the process from ending."""

    def __init__(self, work: Callable[[], T]) -> None:
        super().__init__(name="billy-foreign-code", daemon=True)
        self._work = work
        self._answers: list[T] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._answers.append(self._work())
        except BaseException as error:  # noqa: BLE001  # Told where it is waited for.
            self._error = error
        finally:
            connections.close_all()  # Foreign code should not ask the database, but it may have.

    def give_up(self) -> None:
        """Raise TooSlow at the thread's next instruction, so that an endless loop ends."""
        thread = ctypes.c_ulong(self.ident or 0)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(thread, ctypes.py_object(TooSlow))

    def result(self) -> T:
        if self._error is not None:
            raise Raised(self._error)
        return self._answers[0]
