"""Links and captchas: what is signed, for whom, and until when."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta

import pytest

from services.store.quarantine.captcha import ALPHABET, CHARACTERS, Captcha
from services.store.quarantine.captcha_image import HEIGHT, WIDTH, picture
from services.store.quarantine.links import InvalidToken, QuarantineLink, TokenSigner
from services.store.quarantine.texts import TEXTS

NOON = datetime(2030, 1, 1, 12, 0, tzinfo=UTC)
LATER = timedelta(minutes=10)
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


def test_the_picture_is_a_png_and_differs_by_its_noise() -> None:
    one, same, other = picture("ACEFGH", b"1"), picture("ACEFGH", b"1"), picture("ACEFGH", b"2")
    assert one == same != other
    assert one.startswith(b"\x89PNG")
    assert (int.from_bytes(one[16:20], "big"), int.from_bytes(one[20:24], "big")) == (WIDTH, HEIGHT)


def test_every_sentence_is_there_in_every_language_with_the_same_places() -> None:
    def places(text: str) -> list[str]:
        return sorted(part.partition("}")[0] for part in text.split("{")[1:])

    english, french = TEXTS["en"], TEXTS["fr"]
    assert english.keys() == french.keys()
    assert [name for name in english if places(english[name]) != places(french[name])] == []
