"""Messages that `attachment_fingerprint` hits, and messages that it leaves alone."""

from __future__ import annotations

from typing import Any

from libs.envelope import Finding
from tests.specimens.filter_cases import Case, filter_tests


def found(engine: str) -> dict[str, Any]:
    return {"findings": (Finding(stage="antivirus", name=engine, outcome="spam"),)}


HITS = (Case("attachment_fingerprint", "known", None, found("fingerprint")),)
MISSES = (Case("attachment_fingerprint", "another engine", None, found("clamd")),)

test_hits, test_misses = filter_tests(HITS, MISSES)
