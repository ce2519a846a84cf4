"""What a filter may know besides the message: the rulebooks of the domain, and what the process keeps in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Literal, Protocol

from libs.dns import Resolver
from libs.network import Ip, is_in
from services.antispam.engines.model import Engines
from services.antispam.message.mail_view import MailView
from services.antispam.policy.policy import Policy
from services.antispam.policy.rulebook import Rulebook


class BlacklistedPeers(Protocol):
    """Peers that are refused for a short time."""

    def reason(self, peer: Ip, now: datetime) -> str | None:
        """Why `peer` is refused now; None if it is not."""


class Sightings(Protocol):
    """How often the same message was seen lately."""

    def saw(self, digest: str, *, recipients: int, message_id: str, now: datetime) -> int:
        """Count `recipients` more of this digest; how many it went to within the window."""

    @property
    def threshold(self) -> int:
        """Recipients from which on a message is a mass mailing."""

    def without_counting(self) -> Sightings:
        """The same, but asking leaves no trace."""


class Learned(Protocol):
    """What the statistics say of a message: mean log-odds in nats, above 0 for spam, over so many tokens."""

    @property
    def log_odds(self) -> float: ...
    @property
    def tokens(self) -> int: ...


class Statistics(Protocol):
    """Bayes, of all and of the domain."""

    def judge(self, mail: MailView, domain: str) -> Learned | None:
        """None while too little was learned. `domain` is empty for what all learned."""


class Correspondent(Protocol):
    """A sender that the users of a domain know; `str()` says why."""

    @property
    def strength(self) -> float:
        """The weight of knowing it, 1 at most."""


class KnownSenders(Protocol):
    """Whom the people of a domain know (R-SPAM-06)."""

    async def find(self, domain: str, address: str) -> Correspondent | None:
        """Raises `Temporary`."""


class Complaints(Protocol):
    """What recipients complained about: 0 complainants below the threshold (R-SPAM-13, R-SPAM-28)."""

    def about_peer(self, peer: Ip) -> int: ...
    def about_sender(self, address: str) -> int: ...
    def about_domain(self, domain: str) -> int: ...
    def strength(self, kind: Literal["peer", "sender", "domain"], complainants: int) -> float: ...


class ReadImage(Protocol):
    """An image that was read."""

    @property
    def fingerprint(self) -> int | None:
        """64 bits that survive small changes; None for an image that is too small or too plain to be told apart."""

    @property
    def text(self) -> str:
        """The text in it, empty without OCR."""


class ImageReader(Protocol):
    """Reads images, outside this process."""

    @property
    def reads_text(self) -> bool:
        """Whether OCR is on."""

    @property
    def distance(self) -> int:
        """Bits in which the fingerprint of an image may differ from a known one and still match."""

    async def read_images(self, mail: MailView) -> Sequence[ReadImage]:
        """Read the images of the message, within limits. Raises `Temporary`."""


@dataclass(frozen=True, slots=True)
class LookupSettings:
    """What administrators set for the filters that ask DNS; the same for every domain.

    `dnsbl` and `uribl` are zones of lists of addresses and of domains, none by default; at most `domains_limit` domains
    of a message are looked up. `address_without_mx` is the strength of a hit when the sender's domain has an address
    but no MX (0: none).
    """

    dnsbl: tuple[str, ...] = ()
    uribl: tuple[str, ...] = ()
    domains_limit: int = 20
    address_without_mx: float = 0.5


@dataclass(frozen=True, slots=True)
class FilterEnvironment:
    """What the whole process knows; the same for every domain."""

    own_names: frozenset[str]
    trusted_networks: Sequence[IPv4Network | IPv6Network]
    peers: BlacklistedPeers
    sightings: Sightings
    statistics: Statistics
    dns: Resolver
    correspondents: KnownSenders
    complaints: Complaints
    lookups: LookupSettings = field(default_factory=LookupSettings)
    arc_trusted_sealers: frozenset[str] = frozenset()
    engines: Engines = field(default_factory=dict)  # that were configured
    images: ImageReader | None = None

    def trusts(self, peer: Ip) -> bool:
        """A machine of ours: what is asked of strangers' servers is not asked of it."""
        return is_in(peer, self.trusted_networks)

    def is_stranger(self, mail: MailView) -> bool:
        """It came from a server that is none of ours: only then DNS is asked about it."""
        peer = mail.peer
        return peer is not None and mail.cached("stranger", lambda: not self.trusts(peer))

    def without_counting(self) -> FilterEnvironment:
        """The same, for a message that is only looked at."""
        return replace(self, sightings=self.sightings.without_counting())


@dataclass(slots=True)
class Context:
    """For one run of the chain: the domain, its policy, its rulebooks (those for all first, then its own)."""

    domain: str
    policy: Policy
    books: Sequence[Rulebook]
    environment: FilterEnvironment
    now: datetime
    exempted: frozenset[str] = frozenset()
    scores: Mapping[str, float] = field(default_factory=dict)
