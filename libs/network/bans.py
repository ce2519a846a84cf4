"""The network that a ban concerns, also when it names an address."""

from __future__ import annotations

from libs.network.addresses import Network, network_of, parsed_network

# A ban of a wider network would be a mistake.
_WIDEST = {4: 8, 6: 16}


def banned_network(text: str) -> Network | None:
    """Return the network that a ban of this address or network concerns: the /64 of an IPv6 address. None if invalid.

    Networks wider than an IPv4 /8 or an IPv6 /16 are invalid.
    """
    network = parsed_network(text if "/" in text else network_of(text))
    return None if network is None or network.prefixlen < _WIDEST[network.version] else network


def shown(network: Network) -> str:
    """Return the text of a network; one of a single address has no prefix."""
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)
