"""One sandbox, put together from its parts, and its life."""

import asyncio
import gc
import secrets
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass

from sandbox.application import Application
from sandbox.callbacks import Callbacks
from sandbox.chances import Dice
from sandbox.clock import Clock
from sandbox.conductor import Conductor
from sandbox.control import Control
from sandbox.faults import Faults
from sandbox.ids import Ids
from sandbox.keys import Keys
from sandbox.ledger import Ledger
from sandbox.options import Options
from sandbox.recorder import Recorder
from sandbox.restore import own_line, restore, set_clock
from sandbox.server import Connection
from sandbox.settling import Agenda
from sandbox.store import Store

SETTLE_EVERY_SECONDS = 0.02
TEND_EVERY_SECONDS = 1
SEED_BYTES = 12
BACKLOG = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """All parts of one sandbox."""

    options: Options
    ledger: Ledger
    application: Application
    agenda: Agenda
    faults: Faults
    callbacks: Callbacks
    conductor: Conductor


def build(options: Options) -> Sandbox:
    """Put a sandbox together and bring back what its ledger holds.

    Raises LedgerError for a ledger that cannot be used, Refusal for faults that are none.
    """
    ledger = Ledger(options.ledger)
    store, clock = Store(), Clock()
    keys = Keys(life_seconds=options.key_life_seconds)
    found = restore(ledger, store=store, keys=keys)
    seed = options.seed or found.seed or secrets.token_hex(SEED_BYTES)
    if seed != found.seed:
        ledger.append([own_line(seed=seed)])
    set_clock(clock, found.now)
    faults = Faults(seed=seed)
    faults.replace(options.faults)
    dice = Dice(
        seed=f"{seed} {store.sequence}",
        return_fraction=options.ach_return_fraction,
        declining=faults.declining,
        counted=faults.happened,
    )
    recorder = Recorder(ledger=ledger, keys=keys)
    application = Application(
        options=options,
        clock=clock,
        store=store,
        ids=Ids(seed=seed),
        recorder=recorder,
        chances=dice,
    )
    agenda = Agenda(application)
    agenda.note_all(store.by_id.values())
    callbacks = Callbacks(store=store, faults=faults, retry_seconds=options.callback_retry_seconds)
    recorder.listen(agenda, callbacks)
    control = Control(application=application, agenda=agenda, faults=faults, dice=dice)
    conductor = Conductor(
        application=application, control=control, faults=faults, callbacks=callbacks
    )
    return Sandbox(
        options=options,
        ledger=ledger,
        application=application,
        agenda=agenda,
        faults=faults,
        callbacks=callbacks,
        conductor=conductor,
    )


async def serve(sandbox: Sandbox, *, ready: asyncio.Future[int] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, or until cancelled. Prints one line when it is ready."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError, RuntimeError, ValueError):  # Not in the main thread.
            loop.add_signal_handler(number, stop.set)
    connections: set[Connection] = set()
    server = await loop.create_server(
        lambda: Connection(sandbox.conductor, connections),
        sandbox.options.host,
        sandbox.options.port,
        backlog=BACKLOG,
    )
    port = server.sockets[0].getsockname()[1]
    tasks = [
        loop.create_task(sandbox.callbacks.run()),
        loop.create_task(_settle(sandbox.agenda)),
    ]
    sys.stdout.write(f"sandbox ready on http://{sandbox.options.host}:{port}\n")
    sys.stdout.flush()
    if ready is not None:
        ready.set_result(port)
    try:
        await stop.wait()
    finally:
        server.close()
        for connection in list(connections):
            connection.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        sandbox.ledger.close()


async def tend_memory() -> None:
    """Keep the garbage collector away from what lives as long as the process.

    It would go through all records again and again, and nobody would be answered meanwhile.
    """
    while True:
        gc.collect()
        gc.freeze()
        await asyncio.sleep(TEND_EVERY_SECONDS)


async def _settle(agenda: Agenda) -> None:
    while True:
        agenda.settle_due()
        await asyncio.sleep(SETTLE_EVERY_SECONDS)
