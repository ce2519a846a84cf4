"""Challenges: valid for one link, once, and until they expire."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from datetime import UTC, datetime, timedelta

import pytest

from services.store.quarantine.captcha import ALPHABET, CHARACTERS, Captcha
from services.store.quarantine.links import InvalidToken, QuarantineLink, TokenSigner

NOON = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)


LATER = timedelta(minutes=10)


LINK = QuarantineLink("validate", "01-ab", NOON + timedelta(days=30))


SIGNER = TokenSigner([b"new secret", b"old secret"])


def test_a_challenge_is_good_for_its_link_and_its_time() -> None:
    captcha = Captcha(SIGNER, keep=LATER)
    asked = captcha.issue(LINK, nonce="n1", now=NOON)
    assert captcha.verify(asked.token, LINK, NOON) == asked
    other = QuarantineLink("validate", "02-cd", LINK.expires_at)
    for link, now in ((other, NOON), (LINK, NOON + LATER)):
        with pytest.raises(InvalidToken):
            captcha.verify(asked.token, link, now)
    with pytest.raises(InvalidToken):
        captcha.verify(SIGNER.token(LINK), LINK, NOON)


def test_answers_are_taken_as_people_type_them() -> None:
    asked = Captcha(SIGNER, keep=LATER).issue(LINK, nonce="n1", now=NOON)
    assert len(asked.answer) == CHARACTERS
    assert set(asked.answer) <= set(ALPHABET)
    assert asked.accepts(f" {asked.answer.lower()[:3]} {asked.answer[3:]}\n")
    assert not asked.accepts("")
    assert not asked.accepts(asked.answer[:-1])
    assert not asked.accepts("é" * 100)


def test_no_token_tells_the_answer_and_every_nonce_has_another() -> None:
    captcha = Captcha(SIGNER, keep=LATER)
    asked = [captcha.issue(LINK, nonce=f"n{number}", now=NOON) for number in range(200)]
    assert len({each.answer for each in asked}) > 190
    decoded = urlsafe_b64decode(asked[0].token.partition(".")[0] + "==").decode()
    assert asked[0].answer not in decoded
