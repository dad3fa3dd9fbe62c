"""The wire to Balanced: one request out, one answer in, and what a refusal means.

The other end is not trusted. Answers are read up to a limit of size and time, never decompressed,
never followed elsewhere, and never taken for a success unless they can be read in full. Nothing
is ever sent twice from here.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, cast

from processors.base import (
    Account,
    Busy,
    KeyConflict,
    Misconfigured,
    NotFound,
    NotSent,
    ProcessorError,
    Rejected,
    Unknown,
)
from processors.lines import Lines, Response

MOST_RETRY_AFTER_SECONDS = 300.0  # A processor may slow us down, not switch us off for a day.
USUAL_RETRY_AFTER_SECONDS = 10.0  # Where it says nothing that can be read.
MOST_REASON_CHARACTERS = 500  # A reason is kept for people, and it came from outside.

CLIENT_ERRORS = range(400, 500)
KEY_IN_USE = "idempotency-key-in-use"
KEY_REUSED = "idempotency-key-reused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back: a status, and a document or the reason why it could not be read."""

    status: int
    document: dict[str, Any] | None
    complaint: str = ""
    retry_after: str = ""

    @property
    def error(self) -> dict[str, Any]:
        """The one entry of the error envelope; empty where the answer holds no such thing."""
        entries = (self.document or {}).get("errors")
        if not isinstance(entries, list) or not entries or not isinstance(entries[0], dict):
            return {}
        entry = cast("dict[str, Any]", entries[0])
        # An envelope that contradicts its own status line is the work of something in between.
        return entry if entry.get("status_code", self.status) == self.status else {}

    @property
    def code(self) -> str:
        """The processor's code of the error; empty where there is none."""
        code = self.error.get("category_code")
        return code[:MOST_REASON_CHARACTERS] if isinstance(code, str) else ""

    @property
    def reason(self) -> str:
        """The error in words, for people, cut to 500 characters."""
        words = self.error.get("additional") or self.error.get("description") or self.complaint
        return str(words or f"the processor answered {self.status}")[:MOST_REASON_CHARACTERS]


class Wire:
    """Calls to any number of accounts, for any number of threads.

    A call ends after `connect_timeout_seconds` and, counted from the end of the request, a further
    `read_timeout_seconds` for the whole answer, however slowly its bytes drip.
    """

    def __init__(self, *, connect_timeout_seconds: float, read_timeout_seconds: float) -> None:
        """Open nothing yet."""
        self.lines = Lines(
            connect_timeout_seconds=connect_timeout_seconds,
            read_timeout_seconds=read_timeout_seconds,
        )

    def exchange(
        self,
        *,
        account: Account,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        key: str = "",
    ) -> Answer:
        """Send one request and return its answer, whatever its status.

        Raises NotSent where not a byte of the request was written, Unknown where its fate is not
        known, Misconfigured for a url that is none.
        """
        try:
            place, prefix = self.lines.place_of(account.url)
        except ValueError as error:
            message = "the processor's url is not one of http or https, or cannot be used"
            raise Misconfigured(message) from error
        line = self.lines.take(place)
        try:
            response = line.call(
                method,
                prefix + path,
                body=None if body is None else canonical(body),
                headers=_headers(account=account, key=key),
            )
        except (OSError, ValueError) as error:
            line.close()
            if line.written:
                message = f"the answer was lost: {type(error).__name__}"
                raise Unknown(message) from error
            message = f"the processor could not be reached: {type(error).__name__}"
            raise NotSent(message) from error
        except BaseException:
            line.close()
            raise
        self.lines.give_back(line)
        return _read(response)


def canonical(body: Mapping[str, object]) -> bytes:
    """Write a body the same way every time, so that a second send is the same to the byte."""
    return _encode(body).encode()


def document_of(answer: Answer, *, reading: bool = False) -> dict[str, Any]:
    """Return the document of a success, or raise what the answer means otherwise.

    `reading` says that the request could change nothing: then nothing can be proved by a refusal,
    but that a thing is absent.
    """
    if answer.status not in {HTTPStatus.OK, HTTPStatus.CREATED}:
        raise refusal(answer, reading=reading)
    if answer.document is None:
        raise Unknown(answer.complaint)
    return answer.document


def refusal(answer: Answer, *, reading: bool) -> ProcessorError:
    """Translate an answer that is no success. What proves nothing is Unknown."""
    code, reason = answer.code, answer.reason
    if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return Misconfigured(reason, code)
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
        return Busy(reason, code, retry_after_seconds=_wait_seconds(answer.retry_after))
    if not _is_proof(answer):
        return Unknown(reason, code, in_flight=code == KEY_IN_USE)
    if code == KEY_REUSED:
        return KeyConflict(reason, code)
    if not reading:
        return Rejected(reason, code)
    missing = answer.status == HTTPStatus.NOT_FOUND
    return NotFound(reason, code) if missing else Unknown(reason, code)


def _is_proof(answer: Answer) -> bool:
    """Say whether the processor itself, and not something in between, refused to execute.

    A time-out (408) and a request that is or was under way already prove the opposite.
    """
    under_way = answer.code == KEY_IN_USE or answer.code.endswith("-already-submitted")
    refused = answer.status in CLIENT_ERRORS and answer.status != HTTPStatus.REQUEST_TIMEOUT
    return refused and bool(answer.error) and not under_way


def _wait_seconds(text: str) -> float:
    """Read Retry-After as whole seconds, from 1 to 300; a date counts as unreadable."""
    if not (text.isascii() and text.isdigit()):
        return USUAL_RETRY_AFTER_SECONDS
    # Ten digits are enough to be cut to the limit, and a longer number would only cost time.
    return min(max(float(text[:10]), 1.0), MOST_RETRY_AFTER_SECONDS)


def _headers(*, account: Account, key: str) -> dict[str, str]:
    headers = {
        "Accept": "application/vnd.api+json;revision=1.1",
        "Accept-Encoding": "identity",
        "Content-Type": "application/json",
        "User-Agent": "billy",
    }
    if account.secret:
        token = base64.b64encode(f"{account.secret}:".encode()).decode()
        headers["Authorization"] = f"Basic {token}"
    if key:
        headers["Idempotency-Key"] = key
    return headers


def _read(response: Response) -> Answer:
    """Read an answer, whatever its status."""
    document, complaint = None, ""
    try:
        document = _document(_body(response))
    except ValueError as error:
        complaint = f"the answer cannot be read: {error}"
    return Answer(
        status=response.status,
        document=document,
        complaint=complaint,
        retry_after=response.headers.get("retry-after", ""),
    )


def _body(response: Response) -> bytes:
    """Return the whole body. Raises ValueError where it is refused."""
    if response.headers.get("content-encoding", "identity").lower() not in {"identity", ""}:
        message = "it is compressed, which nobody asked for"
        raise ValueError(message)
    if response.complaint:
        raise ValueError(response.complaint)
    return response.body


def _document(data: bytes) -> dict[str, Any]:
    """Parse strict JSON whose top is an object. Raises ValueError."""
    try:
        document = _decode(data.decode("utf-8"))
    except RecursionError as error:
        message = "it is nested too deeply"
        raise ValueError(message) from error
    if not isinstance(document, dict):
        message = "it is no JSON object"
        raise ValueError(message)  # noqa: TRY004 (a wrong shape is as unreadable as wrong text)
    return document


def _no_constant(name: str) -> None:
    message = f"{name} is no JSON"
    raise ValueError(message)


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that names a thing twice: two readers would see two amounts."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        message = "it names a field twice"
        raise ValueError(message)
    return fields


# Made once: each call would make its own.
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
_decode = json.JSONDecoder(parse_constant=_no_constant, object_pairs_hook=_once_each).decode
