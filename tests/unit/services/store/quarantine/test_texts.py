"""The texts of notices, digests and pages."""

from __future__ import annotations

from services.store.quarantine.texts import TEXTS


def test_every_sentence_is_there_in_every_language_with_the_same_places() -> None:
    def places(text: str) -> list[str]:
        return sorted(part.partition("}")[0] for part in text.split("{")[1:])

    english, french = TEXTS["en"], TEXTS["fr"]
    assert english.keys() == french.keys()
    assert [name for name in english if places(english[name]) != places(french[name])] == []
