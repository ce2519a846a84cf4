"""What a ban refuses: a network, also where an address alone was said."""

from __future__ import annotations

from libs.network.addresses import Network, network_of, parsed_network

# A ban of more would be a mistake, of a person or of a service.
_WIDEST = {4: 8, 6: 16}


def banned_network(text: str) -> Network | None:
    """What a ban of this address or network refuses: an IPv6 address stands for its /64. None if it is neither.

    None too for a network that is wider than a /8 of IPv4 or a /16 of IPv6.
    """
    network = parsed_network(text if "/" in text else network_of(text))
    return None if network is None or network.prefixlen < _WIDEST[network.version] else network


def shown(network: Network) -> str:
    """A network as people write it: an IPv4 address alone has no prefix."""
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)
