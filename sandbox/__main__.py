"""`python -m sandbox`: a Balanced server on this machine."""

import argparse
import asyncio
import gc
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from sandbox.errors import Refusal
from sandbox.ledger import LedgerError
from sandbox.options import Options
from sandbox.process import Sandbox, build, serve, tend_memory
from sandbox.wire import Json


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to stop. Returns 2 for settings that cannot be used."""
    parser = _parser()
    given = parser.parse_args(arguments)
    try:
        options = Options(
            host=given.host,
            port=given.port,
            ledger=given.ledger,
            seed=given.seed,
            faults=_faults(given.faults),
            ach_delay_seconds=given.ach_delay,
            ach_return_fraction=given.ach_return,
            ach_return_after_seconds=given.ach_return_after,
            dispute_delay_seconds=given.dispute_delay,
            hide_keys=given.hide_keys,
            key_life_seconds=given.key_life,
            callback_retry_seconds=given.callback_retry,
        )
        asyncio.run(_live(_build(options)))
    except (LedgerError, OSError, ValueError) as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return 2
    except Refusal as refusal:
        sys.stderr.write(f"sandbox: {refusal.description or refusal.code}\n")
        return 2
    return 0


def _build(options: Options) -> Sandbox:
    """Bring the state back without the collector, which would find nothing and take its time."""
    gc.disable()
    try:
        return build(options)
    finally:
        gc.freeze()
        gc.enable()


async def _live(sandbox: Sandbox) -> None:
    tending = asyncio.create_task(tend_memory())
    await serve(sandbox)
    tending.cancel()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="sandbox", description=__doc__)
    add = parser.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (%(default)s)")
    add("--port", type=int, default=8100, help="port to listen on, 0 for any (%(default)s)")
    add("--ledger", type=Path, help="file of JSON lines that holds the state")
    add("--seed", help="makes ids and chances repeatable")
    add("--faults", help="faults from the start: JSON, or a file of it")
    add("--ach-delay", type=float, metavar="SECONDS", help="until bank movements settle")
    add("--ach-return", type=float, metavar="FRACTION", default=0, help="of them that come back")
    add("--ach-return-after", type=float, metavar="SECONDS", default=0, help="after success")
    add("--dispute-delay", type=float, metavar="SECONDS", default=1, help="until a dispute")
    add("--callback-retry", type=float, metavar="SECONDS", default=600, help="until the first")
    add("--hide-keys", action="store_true", help="know no Idempotency-Key, as in history")
    add("--key-life", type=float, metavar="SECONDS", help="forget keys after so long")
    return parser


def _faults(told: str | None) -> Json:
    if told is None:
        return {}
    text = told if told.lstrip().startswith("{") else Path(told).read_text(encoding="utf-8")
    faults = json.loads(text)
    if not isinstance(faults, dict):
        message = "--faults must be an object"
        raise ValueError(message)  # noqa: TRY004 - it is the content that is wrong.
    return faults


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # Taking a million records apart first would take seconds.
