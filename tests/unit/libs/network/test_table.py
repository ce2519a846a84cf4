"""What is known of the networks around an address."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, ip_address, ip_network

from hypothesis import given, settings
from hypothesis import strategies as st

from libs.network import NetworkTable


def test_the_narrowest_network_comes_first() -> None:
    table: NetworkTable[str] = NetworkTable()
    for text in ("10.0.0.0/8", "10.1.0.0/16", "10.1.2.3/32", "::/0", "2001:db8::/64"):
        table.put(ip_network(text), text)
    assert [value for _, value in table.around(ip_address("10.1.2.3"))] == ["10.1.2.3/32", "10.1.0.0/16", "10.0.0.0/8"]
    assert [value for _, value in table.around(ip_address("2001:db8::1"))] == ["2001:db8::/64", "::/0"]
    assert list(table.around(ip_address("11.0.0.1"))) == []


def test_a_network_is_replaced_and_removed_alone() -> None:
    table: NetworkTable[int] = NetworkTable()
    wide, narrow = ip_network("10.0.0.0/8"), ip_network("10.0.0.0/16")
    table.put(wide, 1)
    table.put(narrow, 2)
    table.put(wide, 3)
    assert (len(table), dict(table)) == (2, {narrow: 2, wide: 3})
    table.remove(narrow)
    table.remove(narrow)
    assert [value for _, value in table.around(ip_address("10.0.0.1"))] == [3]
    table.remove(wide)
    assert (len(table), list(table)) == (0, [])


networks = st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 32)).map(lambda n: IPv4Network(n, strict=False))


@settings(max_examples=60, deadline=None)
@given(st.lists(networks, max_size=12), st.lists(networks, max_size=4), st.integers(0, 2**32 - 1))
def test_it_finds_what_a_walk_over_all_would_find(
    put: list[IPv4Network], removed: list[IPv4Network], number: int
) -> None:
    table: NetworkTable[str] = NetworkTable()
    for network in put:
        table.put(network, str(network))
    for network in removed:
        table.remove(network)
    address = IPv4Address(number)
    expected = {str(network) for network in put if network not in removed and address in network}
    assert {value for _, value in table.around(address)} == expected
