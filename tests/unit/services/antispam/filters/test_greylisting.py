"""Messages that `greylisting` hits, and messages that it leaves alone."""

from __future__ import annotations

from typing import Any

from libs.envelope import Recipient
from tests.specimens.filter_cases import Case, filter_tests


def alone(**fields: Any) -> dict[str, Any]:
    return {"recipients": (Recipient(**{"address": "marie@example.org", "domain": "example.org", **fields}),)}


HITS = (Case("greylisting", "it waited", None, alone(screened="passed after 312 s")),)
MISSES = (Case("greylisting", "of another domain", None, alone(screened="passed", domain="example.com")),)

test_hits, test_misses = filter_tests(HITS, MISSES)
