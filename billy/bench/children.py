"""Run what is measured in processes of its own, one after another or several at once."""

from __future__ import annotations

import json
import signal
import sys
from contextlib import ExitStack
from typing import Any

from billy.bench.child import RESULT
from billy.demo.children import Child


def ask(do: str, *, url: str, environment: dict[str, str] | None = None, **told: Any) -> Any:
    """Let a new process do one thing on a database; returns what it says. Raises ChildFailed."""
    lines: list[str] = []
    with _start(do, url=url, environment=environment, lines=lines, told=told) as child:
        return _result(child, lines)


def ask_at_once(do: str, *, url: str, times: int, **told: Any) -> list[Any]:
    """Let so many processes do the same thing on one database, beginning at the same moment."""
    with ExitStack() as stack:
        started = []
        for _ in range(times):
            lines: list[str] = []
            child = _start(do, url=url, environment=None, lines=lines, told=told | {"wait": True})
            started.append((stack.enter_context(child), lines))
        for child, _ in started:
            child.wait_ready()
        for child, _ in started:
            child.process.send_signal(signal.SIGUSR1)
        return [_result(child, lines) for child, lines in started]


def _start(
    do: str,
    *,
    url: str,
    environment: dict[str, str] | None,
    lines: list[str],
    told: dict[str, Any],
) -> Child:
    return Child(
        do,
        [sys.executable, "-m", "billy.bench.child", json.dumps({"do": do, **told})],
        environment={"DATABASE_URL": url, "DEBUG": "", **(environment or {})},
        told=lines.append,
    )


def _result(child: Child, lines: list[str]) -> Any:
    child.process.wait()
    child.finish()
    if child.process.returncode or not lines or not lines[-1].startswith(RESULT):
        raise child.failure("failed")
    return json.loads(lines[-1].removeprefix(RESULT))
