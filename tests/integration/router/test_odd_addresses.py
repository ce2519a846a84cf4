"""Aliases and forwards take the addresses that ingress takes from honest senders, and lead to them in strict form."""

from __future__ import annotations

from typing import Any

import pytest

ODD = [
    ("user..name@docomo.example", '"user..name"@docomo.example'),
    ("user.@docomo.example", '"user."@docomo.example'),
    ("l" * 200 + "@far.example", "l" * 200 + "@far.example"),
    ("bounces@em_12.far.example", "bounces@em_12.far.example"),
    ('"a b"@far.example', '"a b"@far.example'),
    ("a/b@far.example", "a/b@far.example"),
    ("a@exämple.example", "a@xn--exmple-cua.example"),
]


@pytest.mark.parametrize(("target", "strict"), ODD)
async def test_an_alias_and_a_forward_lead_to_an_odd_address(people: Any, target: str, strict: str) -> None:
    await people.post("/v1/aliases", address="team@example.org", targets=[target])
    assert await people.resolved("team@example.org") == [strict]
    await people.post("/v1/forwards", address="away@example.org", target=target)
    assert strict in await people.resolved("away@example.org")


LOCALS = ["jean..toto", ".jean", "jean.", "l" * 200, '"a b"', "a/b", "a+b=c"]


@pytest.mark.parametrize("local", LOCALS)
async def test_an_odd_address_of_ours_is_found_however_it_is_written(people: Any, local: str) -> None:
    address = f"{local}@example.org"
    await people.post("/v1/aliases", address=address, targets=["jean.toto@example.org"])
    for written in (
        address,
        address.upper() if not local.startswith('"') else address,
        f'"{local.strip(chr(34))}"@example.org',
    ):
        found = await people.get(f"/v1/recipients/{written.replace('/', '%2F')}")
        assert (found["status"], found["account"]) == ("local", "jean.toto@example.org"), written
