"""Interprets the replies of other servers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})\b", re.ASCII)  # RFC 3463 2
_SURROGATE = re.compile(r"[\ud800-\udfff]")
MAX_TEXT = 500


class Outcome(StrEnum):
    """The outcome of one delivery attempt to one recipient."""

    SENT = "sent"
    DEFERRED = "deferred"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Result:
    """`status` is the enhanced status code (RFC 3463 2), `text` the reply as it was received, `server` its author.

    `reports_onward` says that the server accepted the DSN parameters of the recipient (RFC 3461 5.2.2): it then reports
    a success to the sender, and relay does not.
    """

    outcome: Outcome
    status: str
    text: str
    server: str = ""
    reports_onward: bool = False


def judge(code: int, text: str, *, server: str, reports_onward: bool = False) -> Result:
    """The result of an SMTP reply (RFC 5321 4.2.1: the first digit decides)."""
    text = plain(text)
    first = code // 100
    found = _ENHANCED.match(text)
    status = found[1] if found and int(found[1][0]) == first else f"{first if first in (2, 4, 5) else 4}.0.0"
    outcome = {2: Outcome.SENT, 5: Outcome.FAILED}.get(first, Outcome.DEFERRED)
    return Result(outcome, status, f"{code} {text}", server, reports_onward)


def deferred(text: str, *, status: str = "4.4.1", server: str = "") -> Result:
    """The result without a reply in time. After DATA the outcome is unknown and tried again (RFC 5321 4.5.4.1)."""
    return Result(Outcome.DEFERRED, status, plain(text), server)


def failed(text: str, *, status: str, server: str = "") -> Result:
    """The result that no further attempt can change."""
    return Result(Outcome.FAILED, status, plain(text), server)


def unroutable(text: str) -> Result:
    """The result for a recipient that the router could not resolve; `text` begins with the status."""
    found = _ENHANCED.match(text)
    return failed(text, status=found[1] if found else "5.1.1")


def plain(text: str) -> str:
    """`text` in one line of bounded length and without surrogates, fit for a database, JSON and a log."""
    return " ".join(_SURROGATE.sub("\ufffd", text).split())[:MAX_TEXT]
