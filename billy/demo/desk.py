"""What people do at Balanced themselves: enter cards and accounts, and look at their own lists.

Billy never does this. A card's number goes from the buyer's browser to Balanced; Billy only hears
what Balanced calls it. The sandbox's control door is here too: its clock, and what banks do.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import urllib3

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from processors.base import Account

CALL_SECONDS = 10.0
PAGE_SIZE = 100  # The most that Balanced gives at once.
EVERY_STATUS: Final = "pending,succeeded,failed"  # Without it, lists leave the failed ones out.
ROUTING_NUMBER = "321174851"
CARD_NUMBER = "4111111111111111"
OK: Final = range(200, 300)


class DeskError(RuntimeError):
    """The sandbox refused what the story needs; the text is its answer."""


class Desk:
    """The merchant's own access to its account at the sandbox."""

    def __init__(self, account: Account) -> None:
        """Open nothing yet."""
        self._url = account.url
        self._pool = urllib3.PoolManager(
            maxsize=4, retries=False, timeout=urllib3.Timeout(CALL_SECONDS)
        )
        self._headers = urllib3.make_headers(basic_auth=f"{account.secret}:")

    def close(self) -> None:
        """Let go of the connections."""
        self._pool.clear()

    def card(self, *, name: str, number: str = CARD_NUMBER) -> str:
        """Enter a card; returns what Balanced calls it, such as `/cards/CC…`."""
        body = {
            "name": name,
            "number": number,
            "expiration_month": 12,
            "expiration_year": 2035,
            "cvv": "123",
        }
        return str(self._call("POST", "/cards", body)["cards"][0]["href"])

    def bank_account(self, *, name: str, number: str, verified: bool = False) -> str:
        """Enter a bank account; it must be verified, by two small deposits, to be debited."""
        body = {"name": name, "account_number": number, "routing_number": ROUTING_NUMBER}
        made = self._call("POST", "/bank_accounts", body)["bank_accounts"][0]
        if verified:
            asked = self._call("POST", f"{made['href']}/verifications", {})
            href = asked["bank_account_verifications"][0]["href"]
            self._call("PUT", href, {"amount_1": 1, "amount_2": 1})
        return str(made["href"])

    def set_clock(self, now: datetime) -> None:
        """Move the sandbox's clock; what a bank would have settled by then is settled."""
        self._call("PUT", "/_sandbox/clock", {"now": now.isoformat()})

    def decline(self, card: str, *, times: int, reason: str) -> None:
        """Have a card's next charges declined."""
        self._call("POST", "/_sandbox/decline", {"uri": card, "times": times, "reason": reason})

    def bring_back(self, debit: str, *, code: str) -> None:
        """Have a bank take back what it had paid, with a return code of its network."""
        self._call("POST", "/_sandbox/settle", {"uri": debit, "status": "failed", "code": code})

    def everything(self, collection: str) -> Iterator[dict[str, Any]]:
        """Yield every item of a list, in every status, page by page. Raises DeskError."""
        offset, total = 0, 1
        while offset < total:
            page = self._call(
                "GET",
                f"/{collection}?status[in]={EVERY_STATUS}&limit={PAGE_SIZE}&offset={offset}",
            )
            items, total = page[collection], page["meta"]["total"]
            if not items and offset < total:
                raise DeskError(f"the list of {collection} ends before its total of {total}")
            offset += len(items)
            yield from items

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        sent = None if body is None else json.dumps(body).encode()
        headers = {**self._headers, "Content-Type": "application/json"}
        try:
            answer = self._pool.request(method, self._url + path, body=sent, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise DeskError(f"the sandbox does not answer: {error}") from error
        if answer.status not in OK:
            raise DeskError(f"{method} {path}: {answer.status} {answer.data[:300]!r}")
        return json.loads(answer.data)
