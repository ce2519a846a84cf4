"""The public pages."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.store.mailboxes.messages import Summary
from services.store.quarantine.captcha import Challenge
from services.store.quarantine.model import QuarantinedMessage
from services.store.quarantine.notice import NoticePlan
from services.store.quarantine.pages import Pages, language_of
from services.store.quarantine.sender_validation import CaptchaPrompt
from services.store.quarantine.texts import TEXTS, Language
from tests import builders


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("", "en"), ("fr-FR,fr;q=0.9,en;q=0.8", "fr"), ("de, en-GB, fr", "en"), ("de", "en"), ("x" * 9999, "en")],
)
def test_the_language_is_the_first_that_we_speak(accepted: str, language: str) -> None:
    assert language_of(accepted) == language


NOON = datetime(2030, 1, 2, 12, 0, tzinfo=UTC)
HOSTILE = '<script>alert("x")</script>'


def a_held_message(subject: str) -> QuarantinedMessage:
    return QuarantinedMessage("1-a", builders.an_envelope(), "", Summary(subject, HOSTILE, "", "", None), NOON, NOON)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_values_of_the_message_are_escaped_and_the_page_names_its_language(language: Language) -> None:
    page = Pages(language).own(a_held_message(HOSTILE), [HOSTILE])
    assert "<script" not in page
    assert f'<html lang="{language}">' in page
    assert page.count("<h1>") == 1
    assert page.count("<button ") == 2


def test_a_message_without_a_subject_says_so_and_a_long_subject_is_cut() -> None:
    assert TEXTS["en"]["no_subject"] in Pages("en").own(a_held_message(""), [])
    page = Pages("en").own(a_held_message("s" * 1000), [])
    assert "s" * 200 in page
    assert "s" * 201 not in page


def a_prompt() -> CaptchaPrompt:
    to = builders.a_recipient("marie@example.org")
    held = QuarantinedMessage("1-a", builders.an_envelope(to), "", Summary("s", "", "", "", None), NOON, NOON)
    return CaptchaPrompt(held, NoticePlan((to.address,), (), "en"), Challenge(HOSTILE, "nonce", "ABC"), b"drawing")


def test_the_captcha_page_names_a_contact_and_announces_an_error() -> None:
    page = Pages("en").validation(a_prompt())
    assert "postmaster@example.org" in page
    assert "<script" not in page
    assert 'role="alert"' not in page
    assert "ABC" not in page
    page = Pages("en").validation(a_prompt(), error="wrong")
    assert '<p role="alert" id="error">' in page
    assert 'aria-describedby="error"' in page
