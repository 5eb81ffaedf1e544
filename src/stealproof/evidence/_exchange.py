"""What a server answers over HTTP, within the time and size that it gets; whatever goes wrong is one sentence."""

from __future__ import annotations

import time

import httpx

from stealproof.errors import EvidenceError, InputError

LARGEST = 1 << 20
"""Bytes of the largest answer that is read; real ones have some thousands."""


def exchange(
    url: str, *, timeout: float, what: str, whom: str, headers: dict[str, str], content: bytes | None = None
) -> bytes:
    """The body that comes back.

    Args:
        url: starts with ``http://`` or ``https://``.
        timeout: seconds for the whole exchange, above 0.
        what: is asked for, in words.
        whom: is asked, in words.
        headers: of the request.
        content: is sent, as a POST; None for a GET.

    Raises:
        InputError: a wrong address or timeout.
        EvidenceError: no answer.
    """
    if not url.startswith(("http://", "https://")):
        raise InputError(f"expected the address of a {whom} that starts with http, got {url!r}")
    if not timeout > 0:
        raise InputError(f"expected a timeout above 0 seconds, got {timeout}")
    end, answer = time.monotonic() + timeout, bytearray()
    method = "GET" if content is None else "POST"
    try:
        with httpx.stream(method, url, content=content, headers=headers, timeout=timeout) as response:
            response.raise_for_status()
            for chunk in response.iter_raw():
                answer += chunk
                # The library's own limit begins anew with every byte that a slow server drips.
                if time.monotonic() > end:
                    raise httpx.ReadTimeout("the answer took too long")
                if len(answer) > LARGEST:
                    raise EvidenceError(f"the answer of {url} is longer than {LARGEST} bytes, so it is no {what}")
    except httpx.TimeoutException as error:
        raise EvidenceError(f"{url} gave no {what} within {timeout:g} s; try later or another {whom}") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        words = str(error).splitlines() or [type(error).__name__]
        raise EvidenceError(f"{url} gave no {what}: {words[0]}; try later or another {whom}") from error
    return bytes(answer)
