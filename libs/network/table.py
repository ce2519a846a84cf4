"""Facts about networks, found by the addresses within them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from libs.network.addresses import Ip, Network

V = TypeVar("V")


class NetworkTable(Generic[V]):
    """A value a network. A look-up costs one dictionary read for each length of prefix that occurs.

    It has no bound of its own: whoever adds what strangers cause takes entries out again.
    """

    def __init__(self) -> None:
        # By (version, prefix length), the longest prefix first: the bits of the prefix lead to network and value.
        self._lengths: dict[tuple[int, int], dict[int, tuple[Network, V]]] = {}

    def put(self, network: Network, value: V) -> None:
        """Replaces what stood for this very network."""
        key = (network.version, network.prefixlen)
        if key not in self._lengths:
            self._lengths[key] = {}
            self._lengths = dict(sorted(self._lengths.items(), key=lambda item: -item[0][1]))
        self._lengths[key][_prefix(int(network.network_address), network)] = (network, value)

    def remove(self, network: Network) -> None:
        """Take out this very network, not those within it. One that is not there is no error."""
        key = (network.version, network.prefixlen)
        of_length = self._lengths.get(key, {})
        of_length.pop(_prefix(int(network.network_address), network), None)
        if not of_length:
            self._lengths.pop(key, None)

    def around(self, address: Ip) -> Iterator[tuple[Network, V]]:
        """All networks that hold `address`, the narrowest first."""
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
