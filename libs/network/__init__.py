"""Addresses of peers: one spelling each, the network that a peer counts as, and whether networks hold it.

`addresses` reads them, `bans` says what a ban of one of them refuses, `table` finds what is known of the narrowest
network around an address, `listening` binds.
"""

from libs.network.addresses import Ip, Network, is_in, network_of, networks_of, parsed, parsed_network, plain
from libs.network.bans import banned_network, shown
from libs.network.listening import bound
from libs.network.table import NetworkTable

__all__ = [
    "Ip",
    "Network",
    "NetworkTable",
    "banned_network",
    "bound",
    "is_in",
    "network_of",
    "networks_of",
    "parsed",
    "parsed_network",
    "plain",
    "shown",
]
