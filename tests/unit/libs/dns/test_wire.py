"""Names as DNS writes them."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from libs.dns import reverse_name
from libs.dns.wire import name_of


@pytest.mark.parametrize(
    ("address", "zone", "name"),
    [
        ("192.0.2.1", "", "1.2.0.192.in-addr.arpa"),
        ("192.0.2.1", "bl.example", "1.2.0.192.bl.example"),
        ("2001:db8::1", "", "1." + "0." * 23 + "8.b.d.0.1.0.0.2.ip6.arpa"),
        ("2001:db8::1", "bl.example", "1." + "0." * 23 + "8.b.d.0.1.0.0.2.bl.example"),
    ],
)
def test_addresses_in_reverse(address: str, zone: str, name: str) -> None:
    assert reverse_name(ip_address(address), zone) == name


@pytest.mark.parametrize("text", ["a..b", ".a", "", "a" * 64, ".".join(["a" * 63] * 4), "é.example", "a\udcff.b"])
def test_what_dns_cannot_hold_is_no_name(text: str) -> None:
    assert name_of(text) is None


@pytest.mark.parametrize("text", ["a.example", "a.example.", "_x.y", r"back\slash.example", "with space.example"])
def test_names_are_taken_as_they_are(text: str) -> None:
    name = name_of(text)
    assert name is not None
    assert b".".join(name.labels[:-1]).decode() == text.removesuffix(".")
