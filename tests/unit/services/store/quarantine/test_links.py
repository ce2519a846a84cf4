"""Signed links: their purpose, their secret and their expiry."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import pytest

from services.store.quarantine.links import InvalidToken, QuarantineLink, TokenSigner

NOON = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)


LINK = QuarantineLink("validate", "01-ab", NOON + timedelta(days=30))


SIGNER = TokenSigner([b"new secret", b"old secret"])


def test_a_link_comes_back_as_it_was_signed() -> None:
    own = QuarantineLink("own", "01-ab", NOON + timedelta(days=1), ("marie@example.org", "m@example.org"))
    assert SIGNER.link(SIGNER.token(own), "own", NOON) == own
    assert SIGNER.link(TokenSigner([b"old secret"]).token(LINK), "validate", NOON) == LINK


@pytest.mark.parametrize("position", [0, 5, -1, -20])
def test_a_changed_character_makes_it_worthless(position: int) -> None:
    token = list(SIGNER.token(LINK))
    token[position] = "A" if token[position] != "A" else "B"
    with pytest.raises(InvalidToken):
        SIGNER.link("".join(token), "validate", NOON)


def test_another_purpose_another_secret_another_time() -> None:
    token = SIGNER.token(LINK)
    with pytest.raises(InvalidToken):
        SIGNER.link(token, "own", NOON)
    with pytest.raises(InvalidToken):
        TokenSigner([b"other"]).link(token, "validate", NOON)
    with pytest.raises(InvalidToken):
        SIGNER.link(token, "validate", LINK.expires_at)


def test_what_is_longer_or_signed_as_something_else_is_no_link() -> None:
    payload, _, signature = SIGNER.token(LINK).partition(".")
    longer = json.loads(urlsafe_b64decode(payload + "=="))
    longer[1] = "02-cd"
    forged = urlsafe_b64encode(json.dumps(longer).encode()).decode()
    for token in (f"{forged}.{signature}", SIGNER.sign("challenge", ["validate", "01-ab", 2**40]), "", ".", "é.é"):
        with pytest.raises(InvalidToken):
            SIGNER.link(token, "validate", NOON)
