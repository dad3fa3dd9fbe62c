"""Draw what grows, and what should not: the picture in the docs.

Needs matplotlib, which developers have (`make setup`) and an installation does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from billy.bench.figures import Book
    from billy.bench.growth import Point

INK: Final = "#1f2933"
BLUE, ORANGE, GREY = "#2463a6", "#c4621d", "#9aa5b1"
INCHES: Final = (10.5, 4.0)
DOTS_AN_INCH: Final = 130
NONE_AT: Final = 100  # A logarithmic axis has no 0: nothing at all is drawn here.
BARS: Final = {"tick": 1.5, "rate": 0.8}


class NoPlotter(RuntimeError):
    """matplotlib is not installed: `make setup` installs it."""


def draw(book: Book, path: Path) -> None:
    """Draw the ticks and the rates side by side; raises NoPlotter."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise NoPlotter(NoPlotter.__doc__) from error
    figure = Figure(figsize=INCHES, dpi=DOTS_AN_INCH, layout="constrained")
    left, right = figure.subplots(1, 2)
    _ticks(left, book.ticks)
    _rates(right, book.growth)
    figure.supxlabel(
        f"median of the runs, bars from the least to the most; {book.about['server']}, "
        f"{book.about['date'][:10]}",
        fontsize=8,
        color=GREY,
    )
    figure.savefig(path)


def _ticks(axes: Any, ticks: Sequence[Point]) -> None:
    """Draw what a tick costs that finds nothing due."""
    _frame(axes, "A tick that finds nothing due", "schedulers, all of them idle", "milliseconds")
    _line(axes, ticks, color=BLUE, label="one tick")
    _bar(axes, ticks, factor=BARS["tick"], label="bar: 1.5 × that over 1,000", base=1_000)
    axes.set_ylim(bottom=0, top=_headroom(ticks))
    axes.legend(frameon=False, loc="lower left", fontsize=9)


def _rates(axes: Any, growth: Sequence[Point]) -> None:
    """Draw how fast a worker is, by what is due."""
    _frame(axes, "One worker, by what is due", "schedulers due", "cycles a second")
    _line(axes, [each for each in growth if not each.past], color=BLUE, label="no past")
    behind = [each for each in growth if each.past]
    if behind:
        label = f"after {behind[0].past:,} past invoices"
        _line(axes, behind, color=ORANGE, label=label, marker="D")
    _bar(axes, growth, factor=BARS["rate"], label="bar: 0.8 × that at 10,000", base=10_000)
    axes.set_ylim(bottom=0, top=_headroom(growth))
    axes.legend(frameon=False, loc="lower left", fontsize=9)


def _frame(axes: Any, title: str, across: str, up: str) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(_count))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold", color=INK)
    axes.set_xlabel(across, color=INK)
    axes.set_ylabel(up, color=INK)
    axes.grid(visible=True, axis="y", color=GREY, alpha=0.3, linewidth=0.7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK, labelsize=9)


def _count(value: float, _: int) -> str:
    return "none" if value <= NONE_AT else f"{value:,.0f}"


def _line(axes: Any, points: Sequence[Point], *, color: str, label: str, marker: str = "o") -> None:
    places = [max(each.schedulers, NONE_AT) for each in points]
    middles = [each.middle for each in points]
    below = [each.middle - min(each.values) for each in points]
    above = [max(each.values) - each.middle for each in points]
    axes.errorbar(
        places,
        middles,
        yerr=[below, above],
        color=color,
        marker=marker,
        capsize=3,
        linewidth=1.8,
        label=label,
    )


def _bar(axes: Any, points: Sequence[Point], *, factor: float, label: str, base: int) -> None:
    """Draw the promise as a line, if what it is measured by was measured."""
    for each in points:
        if each.schedulers == base and not each.past:
            axes.axhline(
                each.middle * factor, color=GREY, linestyle="--", linewidth=1.2, label=label
            )


def _headroom(points: Sequence[Point]) -> float:
    most = max((max(each.values) for each in points), default=1.0)
    return most * 1.7
