"""The report: what a person reads, within 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from billy.bench.figures import Book, Figures, Ratio

WIDTH = 80
TEN, HUNDRED = 10, 100


def lines(book: Book) -> Iterator[str]:
    """Yield the lines of the whole report."""
    yield ""
    yield f"Billy's benchmark, {book.about['date']}"
    for name in ("server", "settings", "machine"):
        yield f"  {name:<9} {book.about[name]}"
    if book.figures:
        yield ""
        yield from _table(list(book.figures.values()))
    if book.ratios:
        yield ""
        yield from _promises(book.ratios)


def _table(figures: list[Figures]) -> Iterator[str]:
    yield f"{'':27}{'cycles a second':>23}{'for each cycle':>25}{'peak':>5}"
    yield (
        f"{'':27}{'min':>7}{'median':>8}{'max':>8}"
        f"{'SQL':>6}{'commit':>7}{'rows':>5}{'ms':>5}{'KB':>5}{'MB':>4}"
    )
    yield "-" * WIDTH
    for each in figures:
        least, middle, most = each.rates
        yield (
            f"{each.key:<3}{each.title:<24}{least:>7,.0f}{middle:>8,.0f}{most:>8,.0f}"
            f"{short(each.statements):>6}{short(each.commits):>7}{each.rows:>5.1f}"
            f"{short(each.cpu_ms):>5}{each.wal_kb:>5.1f}{each.peak_mb:>4.0f}"
        )


def _promises(ratios: list[Ratio]) -> Iterator[str]:
    yield f"{'promise':<42}{'measured':>12}{'bar':>13}"
    yield "-" * WIDTH
    for each in ratios:
        bar = f"{'≥' if each.at_least else '≤'} {short(each.bar)} {each.unit}".rstrip()
        value = f"{short(each.value)} {each.unit}".rstrip()
        reached = "reached" if each.reached else "NOT REACHED"
        yield f"{each.name:<42}{value:>12}{bar:>13}  {reached}"


def short(value: float) -> str:
    """Return a number with about three digits that count."""
    if value >= HUNDRED:
        return f"{value:,.0f}"
    if value >= TEN:
        return f"{value:.1f}"
    return f"{value:.3f}" if value < TEN / HUNDRED else f"{value:.2f}"
