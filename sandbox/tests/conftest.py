"""The cast of the sandbox's tests."""

import asyncio
import threading

import pytest

from sandbox.options import Options
from sandbox.process import build, serve
from sandbox.tests.clients import Client, Line


@pytest.fixture
def start():
    """Builds sandboxes without a wire; a path makes one with a ledger."""
    built = []

    def make(**options):
        options.setdefault("seed", "goat")
        sandbox = build(Options(**options))
        built.append(sandbox)
        return sandbox

    yield make
    for sandbox in built:
        sandbox.ledger.close()


def marketplace(sandbox):
    """A client with a fresh key and marketplace."""
    client = Client(sandbox)
    client.secret = client.post("/api_keys").one["secret"]
    assert client.post("/marketplaces").status == 201
    return client


@pytest.fixture
def client(start):
    """The client of a fresh marketplace on 1 January 2026, at noon."""
    sandbox = start()
    Client(sandbox).at("2026-01-01T12:00:00Z")
    return marketplace(sandbox)


@pytest.fixture
def rich(client):
    """The same with money in escrow."""
    assert client.debit(10_000_000).status == 201
    return client


@pytest.fixture
def served():
    """Serves a sandbox on a free port, in a thread of its own; gives lines to it."""
    running = []
    lines = []

    def run(sandbox):
        loop = asyncio.new_event_loop()
        ready = loop.create_future()
        task = loop.create_task(serve(sandbox, ready=ready))
        listening = threading.Event()
        ready.add_done_callback(lambda _: listening.set())
        thread = threading.Thread(target=loop.run_until_complete, args=[_finish(task)])
        thread.start()
        running.append((loop, task, thread))
        assert listening.wait(10)

        def connect():
            line = Line(ready.result())
            lines.append(line)
            return line

        connect.port = ready.result()
        connect.loop = loop
        return connect

    yield run
    for line in lines:
        line.close()
    for loop, task, thread in running:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(10)
        assert not thread.is_alive()
        loop.close()


async def _finish(task):
    try:
        await task
    except asyncio.CancelledError:
        return


@pytest.fixture
def join():
    """Makes a client with a marketplace of its own."""
    return marketplace
