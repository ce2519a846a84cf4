"""Whitelists and blacklists in memory."""

import pytest

from libs.network import parsed
from services.antispam.policy.lists import AddressList, InvalidListEntry, entry_of


@pytest.mark.parametrize(
    ("typed", "entry"),
    [
        (" Jean@Example.ORG ", ("address", "jean@example.org")),
        ("Example.ORG", ("domain", "example.org")),
        (".example.org", ("domain", ".example.org")),
        ("exämple.org", ("domain", "xn--exmple-cua.org")),
        ("192.0.2.1", ("network", "192.0.2.1/32")),
        ("192.0.2.9/24", ("network", "192.0.2.0/24")),
        ("2001:DB8::/32", ("network", "2001:db8::/32")),
    ],
)
def test_an_entry_has_one_normal_form(typed: str, entry: tuple[str, str]) -> None:
    assert entry_of(typed) == entry


@pytest.mark.parametrize("typed", ["", "@", "a b", "192.0.2.0/33", "..example.org", "*@example.org", "a@b@c"])
def test_an_invalid_entry_is_refused(typed: str) -> None:
    with pytest.raises(InvalidListEntry):
        entry_of(typed)


LISTED = AddressList.of(
    map(entry_of, ["a@x.example", "y.example", ".z.example", "192.0.2.0/24", "192.0.2.7", "2001:db8::/32"])
)


@pytest.mark.parametrize(
    ("sender", "entry"),
    [
        ("a@x.example", "a@x.example"),
        ("b@x.example", None),
        ("b@y.example", "y.example"),
        ("b@sub.y.example", None),
        ("b@z.example", ".z.example"),
        ("b@deep.sub.z.example", ".z.example"),
        ("b@notz.example", None),
        ("", None),
        ("nobody", None),
        ("a@", None),
    ],
)
def test_a_sender_matches_an_address_a_domain_or_a_parent_domain(sender: str, entry: str | None) -> None:
    assert LISTED.entry_for_sender(sender) == entry


@pytest.mark.parametrize(
    ("peer", "entry"),
    [
        ("192.0.2.7", "192.0.2.7/32"),
        ("192.0.2.8", "192.0.2.0/24"),
        ("::ffff:192.0.2.8", "192.0.2.0/24"),
        ("192.0.3.8", None),
        ("2001:db8:1::1", "2001:db8::/32"),
        ("2001:db9::1", None),
    ],
)
def test_a_peer_matches_the_narrowest_network_around_it(peer: str, entry: str | None) -> None:
    address = parsed(peer)
    assert address is not None
    assert LISTED.entry_for_peer(address) == entry
