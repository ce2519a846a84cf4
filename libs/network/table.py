"""Values of networks, found by an address within them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from libs.network.addresses import Ip, Network

V = TypeVar("V")


class NetworkTable(Generic[V]):
    """One value for each network. A look-up costs one dictionary read for each prefix length that occurs.

    The table is not bounded: a caller that adds entries which strangers cause removes them again.
    """

    def __init__(self) -> None:
        # By (version, prefix length), the longest prefix first: the bits of the prefix lead to network and value.
        self._lengths: dict[tuple[int, int], dict[int, tuple[Network, V]]] = {}

    def put(self, network: Network, value: V) -> None:
        """Set the value of exactly this network."""
        key = (network.version, network.prefixlen)
        if key not in self._lengths:
            self._lengths[key] = {}
            self._lengths = dict(sorted(self._lengths.items(), key=lambda item: -item[0][1]))
        self._lengths[key][_prefix(int(network.network_address), network)] = (network, value)

    def remove(self, network: Network) -> None:
        """Remove exactly this network, not those within it, if it is present."""
        key = (network.version, network.prefixlen)
        of_length = self._lengths.get(key, {})
        of_length.pop(_prefix(int(network.network_address), network), None)
        if not of_length:
            self._lengths.pop(key, None)

    def around(self, address: Ip) -> Iterator[tuple[Network, V]]:
        """Yield all networks that contain `address`, the narrowest first."""
        number, bits, version = int(address), address.max_prefixlen, address.version
        for (its_version, length), of_length in self._lengths.items():
            if its_version == version and (found := of_length.get(number >> (bits - length))) is not None:
                yield found

    def __len__(self) -> int:
        return sum(map(len, self._lengths.values()))

    def __iter__(self) -> Iterator[tuple[Network, V]]:
        for of_length in self._lengths.values():
            yield from of_length.values()


def _prefix(number: int, network: Network) -> int:
    return number >> (network.max_prefixlen - network.prefixlen)
