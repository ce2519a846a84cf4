"""The weight of a known sender, and the addresses that are never whitelisted."""

from __future__ import annotations

import pytest

from services.antispam.reputation.correspondents import Correspondent, is_eligible


@pytest.mark.parametrize(
    ("validated", "times", "strength", "text"),
    [
        (True, 0, 1.0, "it validated itself"),
        (False, 1, 0.7, "local users wrote to it 1 times"),
        (True, 3, 1.0, "it validated itself and local users wrote to it 3 times"),
    ],
)
def test_a_validated_or_frequent_correspondent_weighs_more(
    validated: bool, times: int, strength: float, text: str
) -> None:
    correspondent = Correspondent(validated, times)
    assert (correspondent.strength, str(correspondent)) == (strength, text)


@pytest.mark.parametrize(
    ("address", "eligible"),
    [("jean@elsewhere.example", True), ("", False), ("boss@example.org", False), ("boss@sub.example.org", True)],
)
def test_an_address_of_the_domain_itself_is_never_whitelisted(address: str, eligible: bool) -> None:
    assert is_eligible("example.org", address) is eligible
