"""Lines of 80 columns, in colour where it is wanted, and code as it is run."""

from __future__ import annotations

import io
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from billy.demo import offers
from billy.demo.screen import Screen, fits

YEAR = (datetime(2026, 1, 1), datetime(2026, 12, 31))


class Terminal(io.StringIO):
    """A terminal that keeps what was written to it."""

    encoding = "utf-8"

    def isatty(self):
        return True


@given(text=st.text(), day=st.datetimes(*YEAR))  # Days only.
def test_no_line_is_wider_than_80_columns(text, day):
    out = io.StringIO()
    screen = Screen(out, colours=False)

    screen.line(text)
    screen.words(text)
    screen.code([text])
    screen.entry(day, text)
    screen.month("Jan", money_in=(20, text[:10]), money_out=(20, text[:10]))

    assert [line for line in out.getvalue().split("\n") if not fits(line)] == []


def test_colours_come_on_a_terminal_only(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    terminal, pipe = Terminal(), io.StringIO()

    Screen(terminal).line("goat", style="bold")
    Screen(pipe).line("goat", style="bold")

    assert (terminal.getvalue(), pipe.getvalue()) == ("\x1b[1mgoat\x1b[0m\n", "goat\n")


def test_no_color_is_honoured(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()

    Screen(terminal).line("goat", style="bold")

    assert terminal.getvalue() == "goat\n"


def test_bars_are_of_letters_where_blocks_cannot_be_written():
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Screen(out).month("Jan", money_in=(2, "$1.00"), money_out=(1, "$2.00"))

    assert out.buffer.getvalue().decode() == (
        "  Jan     in      $1.00 ##                   out      $2.00 :\n"
    )


def test_the_code_that_is_shown_is_the_code_that_is_run():
    assert offers.shown(offers.gold) == [
        'billy.Plan.create(amount=2_900, description="the goat - gold")'
    ]
    assert offers.shown_task()[:2] == [
        '@billy.task("metered-storage")',
        "class StorageTask(billy.DebitTask):",
    ]
