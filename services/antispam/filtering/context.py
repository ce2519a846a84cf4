"""What a filter may use besides the message: the rulebooks of the domain, and the environment of the process."""

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
    """The peers that are refused for a short time."""

    def reason(self, peer: Ip, now: datetime) -> str | None:
        """Return why `peer` is refused now; None if it is not."""


class MassMailings(Protocol):
    """Counts how many recipients the same message went to lately."""

    def count(self, digest: str, *, recipients: int, message_id: str, now: datetime) -> int:
        """Count `recipients` more for this digest; return how many it went to within the window."""

    @property
    def threshold(self) -> int:
        """The number of recipients from which on a message is a mass mailing."""

    def without_counting(self) -> MassMailings:
        """Return a counter that reads the same counts and changes none."""


class LearnedScore(Protocol):
    """The score of the learned statistics: mean log-odds in nats, above 0 for spam, over so many tokens."""

    @property
    def log_odds(self) -> float: ...
    @property
    def tokens(self) -> int: ...


class Statistics(Protocol):
    """The Bayesian classifier, over the statistics of all domains and of one."""

    def judge(self, mail: MailView, domain: str) -> LearnedScore | None:
        """Score the message; None while too little was learned. An empty `domain` means the statistics of all."""


class CorrespondentLookup(Protocol):
    """A sender that the users of a domain correspond with; `str()` says why it counts as one."""

    @property
    def strength(self) -> float:
        """The weight of the correspondence, 1 at most."""


class Correspondents(Protocol):
    """The senders on the automatic whitelists of the domains."""

    async def find(self, domain: str, address: str) -> CorrespondentLookup | None:
        """Find `address` among the correspondents of `domain`. Raises `Temporary`."""


class Complaints(Protocol):
    """How many recipients complained about a peer, a sender, a domain: 0 below the threshold."""

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
    """What filters may use of the process; the same for every domain."""

    own_names: frozenset[str]
    trusted_networks: Sequence[IPv4Network | IPv6Network]
    peers: BlacklistedPeers
    mass_mailings: MassMailings
    statistics: Statistics
    dns: Resolver
    correspondents: Correspondents
    complaints: Complaints
    lookups: LookupSettings = field(default_factory=LookupSettings)
    arc_trusted_sealers: frozenset[str] = frozenset()
    engines: Engines = field(default_factory=dict)  # the configured ones
    images: ImageReader | None = None

    def trusts(self, peer: Ip) -> bool:
        """Whether `peer` is a machine of this site, which the rules for servers of strangers do not concern."""
        return is_in(peer, self.trusted_networks)

    def is_stranger(self, mail: MailView) -> bool:
        """Whether a server of a stranger handed the message in: only then DNS is asked about it."""
        peer = mail.peer
        return peer is not None and mail.cached("stranger", lambda: not self.trusts(peer))

    def without_counting(self) -> FilterEnvironment:
        """Return the environment for a dry run: no count changes."""
        return replace(self, mass_mailings=self.mass_mailings.without_counting())


@dataclass(slots=True)
class FilterContext:
    """What one run of the chain uses: the domain, its policy, its rulebooks (of all domains first, then its own)."""

    domain: str
    policy: Policy
    books: Sequence[Rulebook]
    environment: FilterEnvironment
    now: datetime
    exempted: frozenset[str] = frozenset()
    scores: Mapping[str, float] = field(default_factory=dict)
