"""Whitelists and blacklists in memory: the addresses, domains and networks of one scope."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from libs.mail.address import InvalidAddress, normalise, normalise_domain
from libs.network import Ip, NetworkTable, parsed_network

EntryKind = Literal["address", "domain", "network"]


class InvalidListEntry(ValueError):
    """The text is no address, domain or network; `str()` is one sentence for the administrator."""


def entry_of(text: str) -> tuple[EntryKind, str]:
    """Return (kind, normal form) of the text that an administrator typed. Raises `InvalidListEntry`.

    Entries are `jean@example.org`, `example.org` (this domain alone), `.example.org` (the domain and its subdomains),
    `192.0.2.1`, `192.0.2.0/24`, `2001:db8::/32`.
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
    """A list for lookups: the cost is a few dictionary reads, independent of the length."""

    addresses: set[str] = field(default_factory=set)
    domains: set[str] = field(default_factory=set)
    networks: NetworkTable[None] = field(default_factory=NetworkTable)

    @classmethod
    def of(cls, entries: Iterable[tuple[EntryKind, str]]) -> AddressList:
        """Build a list from entries in normal form."""
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
        """Return the entry that matches `address` (in lower case), or None."""
        if address in self.addresses:
            return address
        domain = address.rpartition("@")[2]
        if not self.domains or not domain:
            return None
        return domain if domain in self.domains else self._parent(domain)

    def entry_for_peer(self, peer: Ip) -> str | None:
        """Return the narrowest network that contains `peer`, or None."""
        return next((str(network) for network, _ in self.networks.around(peer)), None)

    def _parent(self, domain: str) -> str | None:
        """Return the entry `.example.org` for example.org and its subdomains, or None."""
        while domain:
            if f".{domain}" in self.domains:
                return f".{domain}"
            domain = domain.partition(".")[2]
        return None
