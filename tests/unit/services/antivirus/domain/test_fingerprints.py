"""Hints of what the fingerprint database holds."""

from __future__ import annotations

from hashlib import sha256

from services.antivirus.domain.fingerprints import Hints

DIGESTS = [sha256(bytes([n])).digest() for n in range(100)]


def test_what_was_added_is_hinted_at_and_nothing_else() -> None:
    hints = Hints()
    hints.add_all(DIGESTS[:40])
    hints.add_all(DIGESTS[30:50])
    for digest in DIGESTS[45:60]:
        hints.add(digest)
    assert [hints.may_know(digest) for digest in DIGESTS] == [n < 60 for n in range(100)]
    assert len(hints) == 60


def test_without_entries_nothing_is_known() -> None:
    assert not Hints().may_know(DIGESTS[0])
