"""Addresses of peers: one spelling each, the network that a peer counts as, and whether networks hold it.

`addresses` reads them, `table` finds what is known of the narrowest network around an address.
"""

from libs.network.addresses import Ip, Network, is_in, network_of, networks_of, parsed, parsed_network, plain
from libs.network.table import NetworkTable

__all__ = ["Ip", "Network", "NetworkTable", "is_in", "network_of", "networks_of", "parsed", "parsed_network", "plain"]
