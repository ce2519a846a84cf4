"""Searches in the lists of the directory."""

from __future__ import annotations

from typing import Any

import pytest

PEOPLE = [
    ("jean.toto@example.org", "Toto", "Jean"),
    ("marie@example.org", "Dupont", "Marie Élise"),
    ("a+b@example.org", "O'Brien (Jr.)", "Pat"),
    ("other@other.example", "Toto", "Jeanne"),
]


@pytest.fixture
async def full(router: Any) -> Any:
    await router.post("/v1/domains", name="other.example")
    for address, surname, given_names in PEOPLE:
        body = {"address": address, "surname": surname, "given_names": given_names, "password": "secret-123"}
        await router.post("/v1/accounts", **body)
    for name in ("team", "sales"):
        await router.post(
            "/v1/aliases", address=f"{name}@example.org", targets=["marie@example.org", f"{name}@far.example"]
        )
        await router.post("/v1/forwards", address=f"f.{name}@example.org", target=f"{name}@elsewhere.example")
    return router


async def found(router: Any, path: str, text: str, **more: Any) -> list[str]:
    page = await router.get(f"/v1/{path}", q=text, **more)
    return [item.get("address") or item["name"] for item in page["items"]]


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("toto", ["jean.toto@example.org", "other@other.example"]),
        ("TOTO jeanne", ["other@other.example"]),
        ("  jean   toto ", ["jean.toto@example.org", "other@other.example"]),
        ("élise", ["marie@example.org"]),
        ("ÉLISE", ["marie@example.org"]),
        ("upon", ["marie@example.org"]),
        ("other.ex", ["other@other.example"]),
        ("dupont-me", ["marie@example.org"]),
        ("nothing like this", []),
        ("a+b", ["a+b@example.org"]),
        ("(jr.)", ["a+b@example.org"]),
        ("o'brien", ["a+b@example.org"]),
    ],
)
async def test_people_are_found_by_parts_of_their_names(full: Any, text: str, addresses: list[str]) -> None:
    assert await found(full, "accounts", text) == addresses


@pytest.mark.parametrize(
    "text", [".*", "^jean", "jean$", "[a-z]", "(?i)jean", "j|m", "jean.tot.", r"\\w", r"\\", "(", "[", "*", "$where"]
)
async def test_no_text_is_taken_for_a_pattern(full: Any, text: str) -> None:
    hits = await found(full, "accounts", text)
    assert hits == (["a+b@example.org"] if text == "(" else [])


async def test_all_matches_come_in_pages(full: Any) -> None:
    first = await full.get("/v1/accounts", q="toto", limit=1)
    second = await full.get("/v1/accounts", q="toto", limit=1, after=first["next"])
    third = await full.get("/v1/accounts", q="toto", limit=1, after=second["next"])
    assert [item["address"] for page in (first, second, third) for item in page["items"]] == [
        "jean.toto@example.org",
        "other@other.example",
    ]
    assert third["next"] is None


async def test_a_search_stays_in_its_domain(full: Any) -> None:
    assert await found(full, "accounts", "toto", domain="example.org") == ["jean.toto@example.org"]


async def test_aliases_and_forwards_are_found_by_address_and_target(full: Any) -> None:
    assert await found(full, "aliases", "SALES") == ["sales@example.org"]
    assert await found(full, "aliases", "marie@") == ["sales@example.org", "team@example.org"]
    assert await found(full, "forwards", "f.team") == ["f.team@example.org"]
    assert await found(full, "forwards", "elsewhere") == ["f.sales@example.org", "f.team@example.org"]


async def test_domains_are_found_by_name(full: Any) -> None:
    assert await found(full, "domains", "OTHER") == ["other.example"]
    assert await found(full, "domains", "example") == ["example.org", "other.example"]


@pytest.mark.parametrize("path", ["accounts", "aliases", "domains", "forwards"])
@pytest.mark.parametrize("text", ["x" * 101, "a\0b", "a\r\nb"])
async def test_a_text_that_is_too_long_or_has_control_characters_is_refused(full: Any, path: str, text: str) -> None:
    await full.get(f"/v1/{path}", q=text, expect=422)
