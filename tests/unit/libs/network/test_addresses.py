"""Addresses of peers and the networks that they count as."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from libs.network import is_in, network_of, networks_of, parsed, parsed_network, plain


@pytest.mark.parametrize(
    ("address", "spelling", "key"),
    [
        ("192.0.2.1", "192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1", "192.0.2.1"),
        ("::FFFF:c000:201", "192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1%eth0", "192.0.2.1", "192.0.2.1"),
        ("2001:DB8::1", "2001:db8::1", "2001:db8::/64"),
        ("2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::1", "fe80::/64"),
        ("::1", "::1", "::/64"),
        ("::192.0.2.1", "::c000:201", "::/64"),  # RFC 4291 2.5.5.1: compatible, not mapped
    ],
)
def test_one_spelling_and_one_key_a_peer(address: str, spelling: str, key: str) -> None:
    assert (plain(address), network_of(address), network_of(plain(address))) == (spelling, key, key)


def test_a_network_is_as_wide_as_the_caller_says() -> None:
    assert network_of("192.0.2.130", ipv4_prefix=24) == "192.0.2.0/24"
    assert network_of("::ffff:192.0.2.130", ipv4_prefix=24) == "192.0.2.0/24"
    assert network_of(ip_address("2001:db8:1:2::3"), ipv6_prefix=48) == "2001:db8:1::/48"


def test_limits_hold_for_an_ipv6_site_too() -> None:
    assert networks_of("2001:db8:1:2::3") == ("2001:db8:1:2::/64", "2001:db8:1::/48")
    assert networks_of("::ffff:192.0.2.1") == ("192.0.2.1",)
    assert networks_of("unknown") == ("unknown",)


@pytest.mark.parametrize("text", ["", "unknown", "192.0.2.256", "192.0.2.1:25", "[::1]", "10.0.0.0/8", "01.2.3.4"])
def test_text_that_is_no_address_counts_as_itself_and_is_in_no_network(text: str) -> None:
    assert parsed(text) is None
    assert network_of(text) == text
    assert not is_in(text, (ip_network("0.0.0.0/0"), ip_network("::/0")))
    with pytest.raises(ValueError, match="not an IP address"):
        plain(text)


NETWORKS = (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"), ip_network("::ffff:198.51.100.0/120"))


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("11.0.0.1", False),
        ("2001:db8::1", True),
        ("2001:db8::1%eth0", True),
        ("::1", False),
        ("198.51.100.7", True),
        ("::ffff:198.51.100.7", True),
        ("198.51.101.7", False),
    ],
)
def test_networks_know_their_own_family_and_mapped_addresses(address: str, inside: bool) -> None:
    assert is_in(address, NETWORKS) is inside
    assert not is_in(address, ())


@pytest.mark.parametrize(
    ("text", "network"),
    [
        ("192.0.2.1", "192.0.2.1/32"),
        ("192.0.2.1/24", "192.0.2.0/24"),
        ("::ffff:192.0.2.1", "192.0.2.1/32"),
        ("::ffff:192.0.2.1/120", "192.0.2.0/24"),
        ("::ffff:0:0/96", "0.0.0.0/0"),
        ("2001:db8::5/64", "2001:db8::/64"),
        ("fe80::1%eth0/64", "fe80::/64"),
        ("::/0", "::/0"),
        ("example.org", None),
        ("192.0.2.1/33", None),
        ("", None),
    ],
)
def test_one_network_however_it_is_written(text: str, network: str | None) -> None:
    found = parsed_network(text)
    assert (None if found is None else str(found)) == network
