"""What the demo shows: lines of at most 80 columns, in colour on a terminal that wants it."""

from __future__ import annotations

import os
import textwrap
from typing import TYPE_CHECKING, TextIO

from invoices.render import WIDTH, columns, fitted

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

INDENT = "  "
DAY_WIDTH = 8  # "31 Dec  "
BAR_WIDTH = 20

STYLES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


class Screen:
    """A place to write lines; flushed at once, so that the year is seen going by."""

    def __init__(self, out: TextIO, *, colours: bool | None = None) -> None:
        """Write to `out`. Colours come only on a terminal, and NO_COLOR turns them off."""
        self._out = out
        self._colours = _wants_colours(out) if colours is None else colours
        self._full, self._light = _blocks(out)

    def line(self, text: str = "", *, style: str = "") -> None:
        """Write one line, shortened where it is too long."""
        self._write(self._painted(fitted(text, WIDTH), style))

    def chapter(self, title: str) -> None:
        """Begin a chapter."""
        self.line()
        self.line(title, style="bold")
        self.line()

    def words(self, text: str, *, style: str = "") -> None:
        """Write a paragraph."""
        for line in textwrap.wrap(text, WIDTH - len(INDENT)):
            self.line(INDENT + line, style=style)

    def code(self, lines: Iterable[str]) -> None:
        """Write code as it was run."""
        for line in lines:
            self.line(f"{INDENT}{INDENT}{line}".rstrip(), style="cyan")
        self.line()

    def entry(self, at: datetime, text: str, *, style: str = "") -> None:
        """Write what happened on a day."""
        day = f"{at.day:2} {at:%b}"
        room = WIDTH - len(INDENT) - DAY_WIDTH
        for number, line in enumerate(textwrap.wrap(text, room)):
            left = f"{INDENT}{day if number == 0 else '':{DAY_WIDTH}}"
            self.line(left + line, style=style)

    def month(self, name: str, *, money_in: tuple[int, str], money_out: tuple[int, str]) -> None:
        """Write a month's sums as bars: each is the length of its bar and the sum in words."""
        bars = [
            f"{words:>10} {sign * length:{BAR_WIDTH}}"
            for sign, (length, words) in ((self._full, money_in), (self._light, money_out))
        ]
        self.line(f"{INDENT}{name:{DAY_WIDTH}}in {bars[0]} out {bars[1]}".rstrip(), style="green")

    def text(self, block: str) -> None:
        """Write a block of lines that are fitted already."""
        for line in block.split("\n"):
            self.line(line)

    def _painted(self, text: str, style: str) -> str:
        if not self._colours or not style or not text:
            return text
        return f"\x1b[{STYLES[style]}m{text}\x1b[0m"

    def _write(self, line: str) -> None:
        self._out.write(f"{line}\n")
        self._out.flush()


def fits(line: str) -> bool:
    """Return whether a line stays within the width that every terminal has."""
    return columns(line) <= WIDTH


def _wants_colours(out: TextIO) -> bool:
    return (
        out.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM", "dumb") != "dumb"
    )


def _blocks(out: TextIO) -> tuple[str, str]:
    """Return what bars are made of: blocks where the output can write them, else plain letters."""
    blocks = ("\N{FULL BLOCK}", "\N{LIGHT SHADE}")
    try:
        "".join(blocks).encode(getattr(out, "encoding", None) or "ascii")
    except (LookupError, UnicodeEncodeError):
        return ("#", ":")
    return blocks
