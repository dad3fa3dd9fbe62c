"""The chapters of the demo, from the offers to the reckoning."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from django.core.management import call_command

import processors
from accounts.enroll import enroll
from billy.demo import agreement, offers, reckoning
from billy.demo.cast import ENDS_AT, STARTS_AT, Offers, gather
from billy.demo.children import sandbox
from billy.demo.database import fresh_database
from billy.demo.days import Days
from billy.demo.desk import Desk
from billy.demo.mailbox import Mailbox
from billy.demo.narrator import Narrator
from billy.demo.year import BANK_DELAY, Ears, Year
from billy.management.commands.bootstrap import callback_address
from invoices import render
from invoices.models import AuditFeed

if TYPE_CHECKING:
    from billy.demo.cast import Cast
    from billy.demo.screen import Screen

DAVES_MONTH = 4  # His card was declined in April, so that invoice has the most to explain.


def tell(screen: Screen) -> bool:
    """Tell the whole story; returns whether in the end everything agreed.

    The database, the ledger, the sandbox and the mailbox are this run's own, and are gone at the
    end, however it comes. Raises NoDatabase, and ChildFailed where the sandbox does not come up.
    """
    screen.line("Billy: a year of a small shop, in seconds", style="bold")
    screen.line()
    with (
        tempfile.TemporaryDirectory(prefix="billy-demo-") as folder,
        sandbox(*_options(Path(folder))) as bank,
        fresh_database() as engine,
        Mailbox() as mailbox,
    ):
        screen.line(f"  database    {engine}, a fresh database of its own")
        call_command("migrate", verbosity=0, interactive=False)
        url = bank.wait_ready().split()[-1]
        screen.line(f"  processor   the Balanced sandbox, on {url}")
        screen.line("  clock       simulated, from 1 January 2026 to 1 January 2027")
        return Story(screen, url=url, mailbox=mailbox).tell()


def _options(folder: Path) -> tuple[str, ...]:
    delay = BANK_DELAY // timedelta(seconds=1)
    ledger = folder / "ledger.jsonl"
    return ("--port", "0", "--ledger", str(ledger), "--seed", "1", "--ach-delay", str(delay))


class Story:
    """One run of the story, against one sandbox."""

    def __init__(self, screen: Screen, *, url: str, mailbox: Mailbox) -> None:
        """Open the shop: a company with its own account at the sandbox."""
        processor = processors.load("balanced")
        self._account = processor.open_account(url=url)
        self._desk = Desk(self._account)
        self._desk.set_clock(STARTS_AT)
        self._company, _ = enroll(
            name="The Goat Shop", account=self._account, processor=processor, now=STARTS_AT
        )
        self._mailbox = mailbox
        self._screen = screen

    def tell(self) -> bool:
        """Tell the chapters in their order; returns whether everything agreed."""
        try:
            cast = self._offers()
            self._year(cast)
            self._invoice(cast)
            good = self._reckoning()
        finally:
            self._desk.close()
        self._next()
        return good

    def _offers(self) -> Cast:
        show = self._screen
        show.chapter("1. The offers, as the shop wrote them")
        show.code(
            ["from datetime import timedelta", "", "import billy", "", *offers.shown(offers.silver)]
        )
        show.code(offers.shown(offers.payroll))
        show.code([*offers.shown_task(), "", *offers.shown(offers.storage)])
        cast = gather(self._desk, self._company, Offers.make(), now=STARTS_AT)
        processors.load("balanced").register_callback(
            account=self._account, url=callback_address(self._mailbox.url, self._company)
        )
        show.words(
            "Then the shop subscribed its people. Their cards and bank accounts are known to "
            "Balanced alone: Billy hears names such as /cards/CC... and nothing more."
        )
        return cast

    def _year(self, cast: Cast) -> None:
        self._screen.chapter("2. The year")
        narrator = Narrator(self._screen, cast)
        year = Year(
            desk=self._desk,
            mailbox=self._mailbox,
            ears=Ears(settled=narrator.settled, called_back=narrator.called_back),
            now=STARTS_AT,
        )
        narrator.follow(year)
        days = Days(cast, year=year, narrator=narrator, desk=self._desk).happenings()
        starts = [datetime(STARTS_AT.year, month, 1, tzinfo=UTC) for month in range(1, 13)]
        for start, end in zip(starts, [*starts[1:], ENDS_AT], strict=True):
            year.live([each for each in days if start <= each.at < end], until=end)
            narrator.month(start, end)
        self._screen.line()
        self._screen.words(
            f"Billy made {year.passes} passes, and {year.callbacks} callbacks told it what banks "
            "had done days later."
        )

    def _invoice(self, cast: Cast) -> None:
        self._screen.chapter("3. One invoice, every cent of it explained")
        feeds = AuditFeed.objects.select_related("company", "customer", "instrument")
        feed = feeds.get(customer=cast.people["Dave"], due_at__month=DAVES_MONTH)
        self._screen.text(render.as_text(render.document(feed)))

    def _reckoning(self) -> bool:
        self._screen.chapter("4. The reckoning")
        found = agreement.compare(self._desk, self._company)
        agreed = reckoning.sides(self._screen, found)
        return reckoning.trails(self._screen) and agreed

    def _next(self) -> None:
        show = self._screen
        show.chapter("What next")
        show.line("  python3 manage.py quickstart   Billy with its pages, on this machine")
        show.line("  python3 manage.py test         all the tests")
        show.line("  README.md                      plans, payouts and tasks of your own")
