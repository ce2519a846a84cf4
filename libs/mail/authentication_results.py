"""`Authentication-Results` (RFC 8601 2.2): the results behind this service's name, and the name that a field claims."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_TOKEN = re.compile(r"[A-Za-z0-9._/@+=-]{1,254}")  # RFC 2045 5.1 without what would need quotes for some reader
_NOT_QUOTABLE = re.compile(r"[^ !#-\[\]-~]|[()]")


@dataclass(frozen=True, slots=True)
class MethodResult:
    """One method: `dkim`, `pass`, a reason in words, properties as (`header.d`, `example.net`)."""

    method: str
    result: str
    reason: str = ""
    properties: tuple[tuple[str, str], ...] = ()


def rendered_results(results: Iterable[MethodResult]) -> str:
    """What stands behind the name of the server that tried the methods; `none` if there is nothing (RFC 8601 2.2)."""
    return "; ".join(_rendered(result) for result in results) or "none"


def claims_to_be(value: str, authserv_id: str) -> bool:
    """Whether a field with this value pretends to be from `authserv_id` (RFC 8601 5); in doubt it does."""
    return authserv_id.lower() in value.partition(";")[0].lower()


def _rendered(result: MethodResult) -> str:
    words = [f"{result.method}={result.result}"]
    if result.reason:
        words.append(f'reason="{_NOT_QUOTABLE.sub("?", result.reason)[:200]}"')
    words += (f"{name}={_value(text)}" for name, text in result.properties if text)
    return " ".join(words)


def _value(text: str) -> str:
    """Strangers chose it: it must not end the word."""
    return text if _TOKEN.fullmatch(text) else f'"{_NOT_QUOTABLE.sub("?", text)[:254]}"'
