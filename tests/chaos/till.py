"""What a merchant's page asks of the sandbox, cards and bank accounts; and its control door."""

import json

import urllib3

CARD = "4111111111111111"
ORDINARY = ("121000358", "1234567890")  # Pending at first, and it succeeds a little later.
STUCK = ("021000021", "9900000000")  # Pending for ever.
FAILING = ("021000021", "9900000004")  # Pending at first, and it fails.


class Till:
    """One account at the sandbox; without a secret, its control door only."""

    def __init__(self, url, secret=""):
        self.url = url
        self.headers = urllib3.make_headers(basic_auth=f"{secret}:", keep_alive=True)
        self.pool = urllib3.PoolManager(retries=False, maxsize=8)

    def card(self, number=CARD):
        """Return the uri of a new card; this number's debits succeed."""
        made = self.call("POST", "/cards", number=number, expiration_month=12, expiration_year=2039)
        return made["cards"][0]["href"]

    def bank_account(self, number=ORDINARY, *, verified):
        """Return the uri of a new bank account; only a verified one can be charged."""
        routing, account = number
        told = {"routing_number": routing, "account_number": account, "account_type": "checking"}
        uri = self.call("POST", "/bank_accounts", name="B", **told)["bank_accounts"][0]["href"]
        if verified:
            check = self.call("POST", f"{uri}/verifications")
            address = check["bank_account_verifications"][0]["href"]
            self.call("PUT", address, amount_1=1, amount_2=1)
        return uri

    def call(self, method, path, /, **body):
        """Return the answer; raises RuntimeError unless it is a success."""
        answer = self.pool.request(
            method, self.url + path, json=body, headers=self.headers, timeout=20
        )
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.data[:200]!r}")
        return json.loads(answer.data)
