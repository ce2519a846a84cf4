"""Peer addresses."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from services.ingress.domain.peers import counted_as, is_in, plain


@pytest.mark.parametrize(
    ("address", "spelling", "key"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1"),
        ("2001:DB8::1", "2001:db8::1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::1", "fe80::/64"),
        ("::1", "::1", "::/64"),
    ],
)
def test_one_spelling_and_one_key_a_peer(address: str, spelling: str, key: str) -> None:
    assert (plain(address), counted_as(plain(address))) == (spelling, key)


def test_networks_know_their_own_family_only() -> None:
    networks = (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))
    assert [is_in(address, networks) for address in ("10.1.2.3", "11.0.0.1", "2001:db8::1", "::1")] == [
        *(True, False, True, False)
    ]
    assert not is_in("10.1.2.3", ())
