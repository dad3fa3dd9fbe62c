"""Where the test build looks and dies: around the cycle's verbs, its statements and its calls."""

import ctypes
import faulthandler
import functools
import os
import random
import signal
import threading
from datetime import timedelta

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.utils import OperationalError

from tests.chaos.build.notes import is_on, note, reach

PR_SET_PDEATHSIG = 1
ERROR_SHARE = 0.01  # Of all statements, while errors are switched on.
ERRORS = ("could not serialize access", "deadlock detected", "canceling statement: lock timeout")
PAUSE_SECONDS = 5  # As leases and looks: the whole of a bad day fits into minutes.
MARK_SECONDS = 1  # So do the fence's marks, which are a minute apart.
WRITES = ("INSERT", "UPDATE", "WITH")


class Stage(threading.local):
    """Which of the cycle's transactions this thread is in, and how far."""

    name = ""
    statements = 0
    wrote = False


stage = Stage()


class NothingToHold(RuntimeError):
    """A hook's target is not there any more: mend the hook, or the run proves nothing."""


def wrap(owner, name, make):
    """Replace a function of a module or class by what `make` makes of it; fails loudly."""
    original = getattr(owner, name, None)
    if not callable(original):
        raise NothingToHold(f"{owner.__name__}.{name}")
    setattr(owner, name, functools.wraps(original)(make(original)))


def install():
    """Install every hook. Called once for each process, before it forks any."""
    from accounts import calls, fence
    from invoices import payments
    from processors.balanced import Balanced
    from schedulers import cycle, watch

    for owner, name, seconds in (
        (calls, "PAUSE_SECONDS", PAUSE_SECONDS),
        (fence, "MARK_SECONDS", MARK_SECONDS),
        (watch, "LOOK_SECONDS", MARK_SECONDS),
    ):
        if not hasattr(owner, name):
            raise NothingToHold(f"{owner.__name__}.{name}")
        setattr(owner, name, seconds)

    wrap(cycle, "begin", _ticking)
    wrap(cycle, "begin", _staged("t1"))
    wrap(cycle, "settle", _settling)
    wrap(cycle, "believe", _then("relay.applied"))
    wrap(payments, "lease_lost", _recovering)
    wrap(payments, "token", _telling_tokens)
    wrap(Balanced, "submit", _sending)
    wrap(Balanced, "find", _looking)
    wrap(Balanced, "fetch", _looking)
    wrap(Balanced, "event", _hearing)
    _install_on_the_wire()
    wrap(BaseDatabaseWrapper, "_commit", _committing)
    wrap(BaseDatabaseWrapper, "_rollback", _rolling_back)
    connection_created.connect(_watch)
    _install_clock()
    _install_doubles()
    os.register_at_fork(after_in_child=_die_with_the_parent)
    faulthandler.register(signal.SIGUSR2)  # For one that does not end: what is it doing?
    note("built")


def _die_with_the_parent():
    """Let no process of a pool outlive its master, whatever becomes of that."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _install_on_the_wire():
    """Die between the last byte out and the first byte in."""
    from processors import lines

    wrap(lines.Line, "receive", _awaiting)


def _install_clock():
    """Let this process's doors read a clock that is wrong by so many seconds."""
    shift = float(os.environ.get("BILLY_CHAOS_SHIFT_SECONDS", "0"))
    if not shift:
        return
    from schedulers import jobs
    from schedulers.watch import watch

    wrap(jobs, "_worker_clock", lambda now: lambda: now() + timedelta(seconds=shift))
    wrap(jobs, "_pass", _alarmed(watch))
    note("shifted", shift)


def _alarmed(watch):
    """Note what this process says of its clock: that nothing is sent."""

    def make(make_a_pass):
        def inside(*arguments, **options):
            worked = make_a_pass(*arguments, **options)
            if "clock" in watch.reason:
                note("alarmed")
            return worked

        return inside

    return make


def _install_doubles():
    """Publish every message twice."""
    if not os.environ.get("BILLY_CHAOS_DOUBLE"):
        return
    from kombu.transport.redis import Channel

    def doubling(put):
        def twice(self, *arguments, **options):
            put(self, *arguments, **options)
            note("doubled")
            return put(self, *arguments, **options)

        return twice

    wrap(Channel, "_put", doubling)


def _staged(name):
    def make(function):
        def inside(*arguments, **options):
            before = stage.name
            stage.name, stage.statements, stage.wrote = name, 0, False
            try:
                return function(*arguments, **options)
            finally:
                stage.name = before

        return inside

    return make


def _ticking(begin):
    def inside(*arguments, **options):
        note("tick")
        return begin(*arguments, **options)

    return inside


def _settling(settle):
    def inside(results, *arguments, **options):
        settled = _staged("t3")(settle)(results, *arguments, **options)
        if len(settled) < len(results):
            note("fenced", len(results) - len(settled))
        return settled

    return inside


def _then(point):
    def make(function):
        def inside(*arguments, **options):
            result = function(*arguments, **options)
            reach(point)
            return result

        return inside

    return make


def _recovering(lease_lost):
    def inside(*arguments, **options):
        held = lease_lost(*arguments, **options)
        if held:
            note("recovered", len(held))
            reach("rec.postcommit")
        return held

    return inside


def _telling_tokens(token):
    def inside():
        made = token()
        note("token", made)
        return made

    return inside


def _sending(submit):
    def inside(self, order):
        reach("http.before")
        note("sent")
        try:
            return submit(self, order)
        finally:
            reach("http.received")

    return inside


def _looking(look):
    def inside(self, *arguments, **options):
        note("looked")
        return look(self, *arguments, **options)

    return inside


def _hearing(event):
    def inside(self, **options):
        reach("relay.stored")
        note("heard")
        try:
            return event(self, **options)
        finally:
            reach("relay.fetched")

    return inside


def _awaiting(receive):
    def inside(self, *arguments, **options):
        reach("http.sent")
        return receive(self, *arguments, **options)

    return inside


def _committing(commit):
    def inside(self):
        name, wrote = stage.name, stage.wrote
        if name and wrote:
            reach(f"{name}.precommit")
        commit(self)
        stage.statements, stage.wrote = 0, False
        if name and wrote:
            reach(f"{name}.postcommit")

    return inside


def _rolling_back(rollback):
    def inside(self):
        stage.statements, stage.wrote = 0, False
        rollback(self)

    return inside


def _watch(connection, **_):
    if _statement not in connection.execute_wrappers:
        connection.execute_wrappers.append(_statement)


def _statement(execute, sql, params, many, context):
    """Come by every statement: fail some of them, and die at the first or after a write."""
    if is_on("errors") and random.random() < ERROR_SHARE:
        note("failed")
        raise OperationalError(random.choice(ERRORS))
    name = stage.name
    if not name or not context["connection"].in_atomic_block:
        return execute(sql, params, many, context)
    stage.statements += 1
    if stage.statements == 1:
        reach(f"{name}.begin")
    result = execute(sql, params, many, context)
    if str(sql).lstrip().startswith(WRITES):
        stage.wrote = True
        reach(f"{name}.mid")
    return result
