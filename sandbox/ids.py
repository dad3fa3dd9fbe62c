"""Names of things: ids, secrets and numbers, repeatable from a seed."""

import base64
import hashlib

DIGEST_BYTES = 15  # 24 characters of base 32, within the 16 to 32 that clients accept.


class Ids:
    """Makes the same ids again from the same seed and the same counting."""

    def __init__(self, *, seed: str) -> None:
        self._hash = hashlib.blake2b(seed.encode(), digest_size=DIGEST_BYTES)

    def id(self, prefix: str, number: int) -> str:
        """The id of the record with this number, such as `WD` and 24 letters or digits."""
        return prefix + self._letters(f"id {number}")

    def secret(self, number: int) -> str:
        """The secret of an API key of a test marketplace."""
        return "ak-test-" + self._letters(f"secret {number}")

    def request(self, number: int) -> str:
        """The id that an error answer carries."""
        return "OHM" + self._letters(f"request {number}")

    def fingerprint(self, *parts: str) -> str:
        """Equal for equal parts; the parts cannot be told from it without the seed."""
        return self._letters("fingerprint " + "|".join(parts)).lower()

    def _letters(self, text: str) -> str:
        hashed = self._hash.copy()
        hashed.update(text.encode(errors="backslashreplace"))
        return base64.b32encode(hashed.digest()).decode()


def transaction_number(prefix: str, id_: str) -> str:
    """The number that statements show, such as `WABC-DEF-GHIJ`: groups of three, three and four."""
    tail = id_[2:]
    return f"{prefix}{tail[:3]}-{tail[3:6]}-{tail[6:10]}"
