"""Sending requests to a server that may be down, slow, busy or hostile: retries, deadlines and bounds."""

from __future__ import annotations

import datetime
import email.utils
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import httpx
import numpy as np

from stealproof.errors import InputError, OracleUnavailable
from stealproof.oracles import _v2

RETRIED = frozenset({429, 500, 502, 503, 504})
"""Statuses that may pass: too many requests, and what a server or a proxy says when it has trouble."""
ADVICE = {
    400: "check the shape and datatype of the inputs",
    401: "pass a token that it accepts",
    403: "pass a token that it accepts",
    404: "check the model's name",
    405: "expected a URL of the form https://HOST/v2/models/NAME",
    413: "lower the batch",
    415: "turn binary tensors off",
    422: "check the shape and datatype of the inputs",
    429: "ask more slowly, or wait longer between tries",
}
"""What a caller can do about a status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to bear with a server."""

    timeout: float = 10.0
    """Seconds to wait for a connection, then for the head of the reply; its body must end as long after the start."""
    retries: int = 4
    """Most tries after the first one."""
    backoff: float = 0.5
    """Seconds before the first retry; doubles with each, plus up to as much again at random."""
    longest_wait: float = 60.0
    """Most seconds to wait before one retry, also when the server asks for more with ``Retry-After``."""
    largest: int = 64 * 2**20
    """Most bytes of one reply."""

    def wait(self, attempt: int, retry_after: float | None, rng: np.random.Generator) -> float | None:
        """Seconds before retry number ``attempt`` (from 0), or None to give up."""
        if attempt >= self.retries or (retry_after is not None and retry_after > self.longest_wait):
            return None
        drawn = float(self.backoff * 2.0**attempt * (1 + rng.random()))
        return min(self.longest_wait, max(drawn, retry_after or 0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A reply that came whole."""

    status: int
    headers: httpx.Headers
    body: bytes


@dataclass(slots=True, kw_only=True)
class Transport:
    """An HTTP client with patience. One instance serves several threads."""

    client: httpx.Client
    patience: Patience
    rng: np.random.Generator
    """Source of the jitter, so that clients that failed together don't return together."""
    stopped: threading.Event = field(default_factory=threading.Event)
    """Set to end all waiting, when one of several threads has given up."""

    def send(
        self,
        method: str,
        url: httpx.URL,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        retried: Callable[[], None] = lambda: None,
    ) -> Reply:
        """The first good reply (status 200). ``retried`` is called before each new try.

        Raises:
            OracleUnavailable: there was none within the patience, or the server refused for good.
        """
        attempt = 0
        while True:
            retry_after: float | None = None
            try:
                reply = self._once(method, url, body, headers)
            except (httpx.LocalProtocolError, httpx.UnsupportedProtocol):
                # The cause may quote a header, and with it the token: it is left out.
                raise InputError(
                    f"a request to {shown(url)} is not legal HTTP; check the names of the headers"
                ) from None
            except httpx.TransportError as error:
                trouble = f"{shown(url)} {_in_words(error, self.patience.timeout)}"
                advice = "check that the server is up, the URL is right and the timeout is long enough"
            else:
                if reply.status == 200:
                    return reply
                trouble, advice = _refusal(url, reply)
                if reply.status not in RETRIED:
                    raise OracleUnavailable(f"{trouble}; {advice}")
                retry_after = seconds_of(reply.headers.get("Retry-After"))
            wait = self.patience.wait(attempt, retry_after, self.rng)
            attempt += 1
            if wait is None or self.stopped.wait(wait):
                tries = "1 try" if attempt == 1 else f"{attempt} tries"
                asked = "" if retry_after is None else f" (it asks to wait {retry_after:g} s)"
                raise OracleUnavailable(f"{trouble} after {tries}{asked}; {advice}")
            retried()

    def _once(self, method: str, url: httpx.URL, body: bytes | None, headers: Mapping[str, str] | None) -> Reply:
        """One request; ``httpx.TransportError`` may pass on a retry, ``OracleUnavailable`` won't."""
        deadline = time.monotonic() + self.patience.timeout
        with self.client.stream(method, url, content=body, headers=headers) as response:
            encoding = response.headers.get("Content-Encoding", "identity")
            if encoding != "identity":
                # A few compressed bytes can unpack to any number: we asked for none, and take none.
                raise OracleUnavailable(
                    f"{shown(url)} answers in {encoding[:20]}, which was not asked for; turn it off"
                )
            parts: list[bytes] = []
            size = 0
            for part in response.iter_raw():
                parts.append(part)
                size += len(part)
                if size > self.patience.largest:
                    raise OracleUnavailable(
                        f"{shown(url)} answers with more than {self.patience.largest} bytes; lower the batch"
                    )
                if time.monotonic() > deadline:
                    raise httpx.ReadTimeout("the reply did not end in time")
        return Reply(status=response.status_code, headers=response.headers, body=b"".join(parts))


def shown(url: httpx.URL) -> str:
    """``url`` as errors may show it: without a user name, a password or a query, which may be secret."""
    return str(url.copy_with(userinfo=b"", query=None, fragment=None))


def seconds_of(retry_after: str | None) -> float | None:
    """The header ``Retry-After``, seconds or a date, as seconds from now; None when it is missing or nonsense."""
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        date = email.utils.parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=datetime.UTC)
    return max(0.0, (date - datetime.datetime.now(datetime.UTC)).total_seconds())


def _refusal(url: httpx.URL, reply: Reply) -> tuple[str, str]:
    """What a status other than 200 means, and what to do about it."""
    if 300 <= reply.status < 400:
        # Following could carry the token to another host.
        target = str(reply.headers.get("Location", "nowhere"))[:200]
        return f"{shown(url)} redirects to {target}", "give that URL if you trust it"
    said = _v2.error_of(reply.body)
    advice = ADVICE.get(reply.status, "look into the server's log" if reply.status >= 500 else "look up this status")
    return f"{shown(url)} answers {reply.status}{f' ({said})' if said else ''}", advice


def _in_words(error: httpx.TransportError, timeout: float) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"did not answer within {timeout:g} s"
    if isinstance(error, httpx.ConnectError):
        return f"can't be reached ({error})"
    return f"broke off ({error or type(error).__name__})"
