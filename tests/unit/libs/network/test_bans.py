"""The network that a ban concerns."""

from __future__ import annotations

import pytest

from libs.network.bans import banned_network, shown


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("0.0.0.0/0", None),
        ("10.0.0.0/7", None),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001::/16", "2001::/16"),
        ("2000::/15", None),
        ("nobody", None),
        ("", None),
    ],
)
def test_a_ban_concerns_the_network_of_an_address_and_no_wide_one(text: str, network: str | None) -> None:
    found = banned_network(text)
    assert (found and shown(found)) == network
