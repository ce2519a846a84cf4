"""The pages that are generated from the code are those that the code gives now."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any, Literal

import pytest

from services.antispam.chain import CHAIN
from tools.reference import FOLDER, PAGES, ROOT, pages, rfcs
from tools.reference.metrics import declared
from tools.reference.settings import in_words

STALE = "this page is not what the code says now: run `make docs` and commit what it writes"


@pytest.fixture(scope="module")
def fresh() -> dict[str, str]:
    return pages()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_of_the_reference_is_what_the_code_says(fresh: dict[str, str], name: str) -> None:
    path = FOLDER / name
    assert path.is_file(), STALE
    assert path.read_text(encoding="utf-8") == fresh[name], STALE


def test_no_page_is_left_of_what_is_gone() -> None:
    assert {path.name for path in FOLDER.glob("*.md")} == set(PAGES)


def test_the_page_of_rfcs_is_what_the_code_points_to() -> None:
    assert (ROOT / "docs" / "rfcs.md").read_text(encoding="utf-8") == rfcs.page(ROOT), STALE


def test_every_rfc_that_the_code_names_has_a_title() -> None:
    """A number that is mistyped has none either."""
    assert sorted(set(rfcs.pointers(ROOT)) - set(rfcs.TITLES)) == []


def test_every_series_has_a_sentence_and_a_filter_a_description() -> None:
    assert [each.name for each in declared(ROOT) if not each.help.endswith(".")] == []
    assert [step.name for step in CHAIN if not step.description.endswith((".", ")", "?"))] == []


def test_every_operation_has_a_summary(fresh: dict[str, str]) -> None:
    lines = [line for line in fresh["http.md"].splitlines() if line.startswith(("| GET", "| P", "| DELETE"))]
    assert len(lines) > 100
    assert [line for line in lines if line.split("|")[3].strip() == ""] == []


KINDS: list[tuple[Any, str]] = [
    (timedelta | None, "duration or none"),
    (tuple[IPv4Network | IPv6Network, ...], "list of network"),
    (Literal["a", "b"], "one of `a`, `b`"),
    (dict[str, int], "table of whole number by text"),
    (Path, "path"),
]


@pytest.mark.parametrize(("kind", "words"), KINDS)
def test_types_are_told_in_words(kind: Any, words: str) -> None:
    assert in_words(kind) == words
