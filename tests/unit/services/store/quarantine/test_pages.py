"""The public pages."""

from __future__ import annotations

import pytest

from services.store.quarantine.pages import language_of


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("", "en"), ("fr-FR,fr;q=0.9,en;q=0.8", "fr"), ("de, en-GB, fr", "en"), ("de", "en"), ("x" * 9999, "en")],
)
def test_the_language_is_the_first_that_we_speak(accepted: str, language: str) -> None:
    assert language_of(accepted) == language
