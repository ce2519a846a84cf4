"""What clamd's version line says."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.antivirus.adapters.clamd import signatures_of
from services.antivirus.ports import Signatures


@pytest.mark.parametrize(
    ("line", "signatures"),
    [
        (
            "ClamAV 1.4.6/27500/Mon Dec  2 09:33:31 2024",
            Signatures("27500", datetime(2024, 12, 2, 9, 33, 31, tzinfo=UTC)),
        ),
        ("ClamAV 1.4.6", Signatures("ClamAV 1.4.6", None)),
        ("ClamAV 1.4.6/27500/the day after", Signatures("27500", None)),
    ],
)
def test_the_age_of_the_signatures_is_read_from_the_version(line: str, signatures: Signatures) -> None:
    assert signatures_of(line) == signatures
