"""A server that answers as the payment processor Balanced did in revision 1.1 of its API.

Run it with `python -m sandbox --port 8100 --ledger ledger.jsonl`; `docs/sandbox.md` tells the rest.
It knows nothing of the product that talks to it.
"""
