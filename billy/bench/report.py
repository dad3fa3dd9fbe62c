"""The report: what a person reads, within 80 columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from billy.bench.figures import Book, Figures, Ratio
    from billy.bench.growth import Point

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
    if book.ticks:
        yield ""
        yield from _points("f  a tick that finds nothing due, ms", book.ticks, digits=2)
    if book.growth:
        yield ""
        yield from _points("g  cycles a second, by what is due", book.growth, digits=0)
    if book.ratios:
        yield ""
        yield from _promises(book.ratios)


def _table(figures: list[Figures]) -> Iterator[str]:
    yield f"{'':30}{'cycles a second':>20}   {'each cycle':>22}{'peak':>5}".rstrip()
    yield (
        f"{'':30}{'min':>6}{'median':>7}{'max':>7}"
        f"{'SQL':>6}{'com.':>6}{'rows':>4}{'CPU':>5}{'WAL':>5}{'MB':>4}"
    )
    yield "-" * WIDTH
    for each in figures:
        least, middle, most = each.rates
        yield (
            f"{each.key:<5}{each.title:<25}{least:>6,.0f}{middle:>7,.0f}{most:>7,.0f}"
            f"{few(each.statements):>6}{few(each.commits):>6}{each.rows:>4.0f}"
            f"{few(each.cpu_ms):>5}{each.wal_kb:>5.1f}{each.peak_mb:>4.0f}"
        )


def _points(title: str, points: list[Point], *, digits: int) -> Iterator[str]:
    yield f"{title:<50}{'min':>10}{'median':>10}{'max':>10}"
    yield "-" * WIDTH
    for each in points:
        past = f" after {each.past:,} invoices" if each.past else ""
        row = f"   {each.schedulers:,} schedulers{past}"
        values = (min(each.values), each.middle, max(each.values))
        yield f"{row:<50}" + "".join(f"{value:>10,.{digits}f}" for value in values)


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


def few(value: float) -> str:
    """Return a number in at most five characters: `.0045`, `0.13`, `13.0`."""
    if value < TEN / HUNDRED:
        return f"{value:.4f}".removeprefix("0") if value < TEN / HUNDRED**2 else f"{value:.3f}"
    return f"{value:.2f}" if value < TEN else f"{value:.1f}"
