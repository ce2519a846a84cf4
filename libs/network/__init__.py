"""Addresses of peers and networks.

`addresses` parses and normalises them, and finds the network by which a peer is counted; `bans` tells which network a
ban concerns; `table` finds values of the networks around an address; `listening` binds sockets.
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
