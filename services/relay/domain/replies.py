"""What another server's answer means for a recipient."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})\b", re.ASCII)  # RFC 3463 2
_SURROGATE = re.compile(r"[\ud800-\udfff]")
MAX_TEXT = 500


class Outcome(StrEnum):
    """Of one try for one recipient."""

    SENT = "sent"
    DEFERRED = "deferred"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Result:
    """`status` is the enhanced code of RFC 3463, `text` the reply as it was given, `server` who gave it.

    `reports_onward` says that the server took the recipient with its DSN wishes (RFC 3461 5.2.2): then it tells the
    sender of a success, and nobody else does.
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
    """Nobody answered, or not in time. After DATA that means unknown, which is tried again (RFC 5321 4.5.4.1)."""
    return Result(Outcome.DEFERRED, status, plain(text), server)


def failed(text: str, *, status: str, server: str = "") -> Result:
    """No further try can help."""
    return Result(Outcome.FAILED, status, plain(text), server)


def unroutable(text: str) -> Result:
    """A recipient that the router found to lead nowhere; its text begins with the status."""
    found = _ENHANCED.match(text)
    return failed(text, status=found[1] if found else "5.1.1")


def plain(text: str) -> str:
    """In one line of bounded length, fit for a database, JSON and a log: no surrogates, whatever it comes from."""
    return " ".join(_SURROGATE.sub("\ufffd", text).split())[:MAX_TEXT]
