"""White and black lists in memory: addresses, domains and networks of one administrator's scope."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from libs.mail.address import InvalidAddress, normalise, normalise_domain
from libs.network import Ip, NetworkTable, parsed_network

EntryKind = Literal["address", "domain", "network"]


class InvalidListEntry(ValueError):
    """The text is no address, domain or network; `str()` is one sentence for whoever sent it."""


def entry_of(text: str) -> tuple[EntryKind, str]:
    """(kind, normal form) of what an administrator typed. Raises `InvalidListEntry`.

    `jean@example.org`, `example.org` (that domain alone), `.example.org` (it and all under it), `192.0.2.1`,
    `192.0.2.0/24`, `2001:db8::/32`.
    """
    text = text.strip()
    if network := parsed_network(text):
        return "network", str(network)
    if text.startswith("*"):
        raise InvalidListEntry("there are no wild cards: `example.org` lists a domain, `.example.org` all under it too")
    try:
        if "@" in text:
            return "address", normalise(text).lower()
        dot = "." if text.startswith(".") else ""
        return "domain", dot + normalise_domain(text.removeprefix("."))
    except InvalidAddress as error:
        raise InvalidListEntry(f"neither an address nor a domain nor a network: {error}") from None


@dataclass(slots=True)
class AddressList:
    """Lookups cost a few dictionary reads, however long the list is."""

    addresses: set[str] = field(default_factory=set)
    domains: set[str] = field(default_factory=set)
    networks: NetworkTable[None] = field(default_factory=NetworkTable)

    @classmethod
    def of(cls, entries: Iterable[tuple[EntryKind, str]]) -> AddressList:
        """From entries in normal form."""
        made = cls()
        for kind, value in entries:
            match kind:
                case "address":
                    made.addresses.add(value)
                case "domain":
                    made.domains.add(value)
                case "network":
                    if network := parsed_network(value):
                        made.networks.put(network, None)
        return made

    def entry_for_sender(self, address: str) -> str | None:
        """The entry that lists `address` (in lower case), None if none does."""
        if address in self.addresses:
            return address
        domain = address.rpartition("@")[2]
        if not self.domains or not domain:
            return None
        return domain if domain in self.domains else self._parent(domain)

    def entry_for_peer(self, peer: Ip) -> str | None:
        """The network that lists `peer`, the narrowest first."""
        return next((str(network) for network, _ in self.networks.around(peer)), None)

    def _parent(self, domain: str) -> str | None:
        """`.example.org` lists example.org and everything under it."""
        while domain:
            if f".{domain}" in self.domains:
                return f".{domain}"
            domain = domain.partition(".")[2]
        return None
