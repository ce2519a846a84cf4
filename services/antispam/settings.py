"""Settings of the antispam service. What concerns one domain is no setting but its policy."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from libs.settings import ServiceSettings

Zone = Annotated[str, StringConstraints(pattern=r"^([a-z0-9_-]{1,63}\.)+[a-z0-9-]{1,63}$")]


class Settings(ServiceSettings):
    """Caches, windows, and what the filters take for our own."""

    trusted_networks: tuple[IPv4Network | IPv6Network, ...] = Field(
        (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")),
        description="Machines of ours: their HELO and Received headers are not held against them.",
    )
    own_names: tuple[str, ...] = Field(
        (), description="Host names of ours besides `hostname`, which no stranger may give for its own."
    )
    arc_trusted_sealers: tuple[str, ...] = Field(
        (),
        description="Domains of forwarders and lists whose word is taken that DMARC passed before they changed mail.",
    )
    dnsbl: tuple[Zone, ...] = Field((), description="Lists of addresses in DNS, as zen.spamhaus.org; none by default.")
    uribl: tuple[Zone, ...] = Field((), description="Lists of domains in DNS, as dbl.spamhaus.org; none by default.")
    uribl_domains: int = Field(20, ge=1, le=200, description="Domains of a message that these lists are asked about.")
    address_without_mx: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Share of the score of a missing MX when the sender's domain has an address; 0: none.",
    )
    rulebook_max_age: timedelta = Field(
        timedelta(seconds=60), description="Policies, lists and rules are read again after this, or when they change."
    )
    rulebook_capacity: int = Field(10_000, ge=10, description="Domains whose rulebooks stay in memory.")
    mass_recipients: int = Field(24, ge=2, description="The same message to so many recipients is a mass mailing.")
    mass_window: timedelta = Field(timedelta(minutes=10), description="Time in which they are counted.")
    mass_capacity: int = Field(100_000, ge=100, description="Different messages that are counted at a time.")
    peers_capacity: int = Field(100_000, ge=100, description="Blacklisted peers that stay in memory.")
    bayes_least: int = Field(
        50, ge=1, description="Messages of spam, and of ham, that must be learned before Bayes speaks."
    )
    bayes_tokens: int = Field(
        1_000_000, ge=10_000, description="Words of all domains together in memory; rarer ones are forgotten beyond."
    )
    bayes_domain_tokens: int = Field(
        1_000_000, ge=10_000, description="Words of single domains in memory, some 150 bytes each."
    )
    bayes_memory: timedelta = Field(
        timedelta(days=365), description="What was learned longer ago is forgotten, as if it had never been taught."
    )
    junk_moves_teach: Literal["domain", "all", "nobody"] = Field(
        "domain", description="Whose statistics learn when somebody moves mail into Junk or out of it."
    )
    greylisting_delay: timedelta = Field(
        timedelta(minutes=5), description="How long a stranger waits, where a domain greylists."
    )
    greylisting_window: timedelta = Field(
        timedelta(hours=24), description="A retry that comes later than this starts anew."
    )
    greylisting_memory: timedelta = Field(
        timedelta(days=36), description="How long who has waited is known; each message makes it anew."
    )
    greylisting_successes: int = Field(
        5, ge=1, description="After so many that waited, the whole network (/24 or /64) passes at once."
    )
    greylisting_by: Literal["recipient", "domain"] = Field(
        "recipient", description="Whether a sender waits for each recipient, or once for all of a domain."
    )
    honeypot_ban: timedelta = Field(
        timedelta(hours=1), description="How long a peer is refused that wrote to a honeypot."
    )
    honeypot_learns: bool = Field(True, description="What comes to a honeypot is learned as spam, for all domains.")
    correspondents_memory: timedelta = Field(
        timedelta(days=180), description="How long a sender stays on the automatic whitelist without news."
    )
    correspondents_capacity: int = Field(
        100_000, ge=100, description="Senders whose place on the automatic whitelist stays in memory."
    )
    complaints_memory: timedelta = Field(timedelta(days=30), description="How long a complaint counts.")
    complaints_of_peer: int = Field(5, ge=1, description="Distinct complainants from which on a peer address is bad.")
    complaints_of_sender: int = Field(3, ge=1, description="The same for a sender's address.")
    complaints_of_domain: int = Field(10, ge=1, description="The same for a sender's domain.")
    statistics_memory: timedelta = Field(
        timedelta(days=400), description="How long statistics of domains and accounts are kept."
    )
    spamd: str = Field(
        "",
        pattern=r"^(tcp://\S+:\d+|unix:/.+)?$",
        description="SpamAssassin's daemon, tcp://HOST:PORT or unix:/PATH; empty: it is not asked.",
    )
    rspamd: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description="Rspamd's normal or proxy worker, http://HOST:PORT; empty: it is not asked.",
    )
    rspamd_required: float = Field(
        6.0, gt=0, description="Score at which Rspamd calls it spam; 6 is that of its action `add header`."
    )
    engine_deadline: timedelta = Field(
        timedelta(seconds=10), description="Longest time that mail waits for such an engine."
    )
    engine_rest: timedelta = Field(
        timedelta(seconds=30), description="An engine that failed three times in a row is not asked for so long."
    )
    engine_connections: int = Field(5, ge=1, le=100, description="Questions at a time; spamd needs as many children.")
    engine_limit_bytes: int = Field(512_000, ge=1024, description="Larger messages are not shown to such an engine.")
    ocr_data: str = Field(
        "",
        description="Directory of tesseract's languages (Debian: /usr/share/tesseract-ocr/5/tessdata); empty: no text "
        "is read in images.",
    )
    ocr_languages: str = Field("eng", description="Languages to read, as tesseract names them: eng+deu.")
    image_workers: int = Field(1, ge=1, le=32, description="Processes that look at images, started when one comes.")
    image_deadline: timedelta = Field(
        timedelta(seconds=5), description="Longest time for one image; a process that takes longer is killed."
    )
    images_at_most: int = Field(4, ge=1, le=100, description="Images of one message that are looked at.")
    image_limit_bytes: int = Field(2 * 1024 * 1024, ge=1024, description="Larger images are not looked at.")
    image_limit_pixels: int = Field(16_000_000, ge=1024, description="Nor those of more pixels: decompression bombs.")
    image_distance: int = Field(
        6, ge=0, le=20, description="Bits of 64 in which an image may differ from a known one and still be it."
    )
    images_capacity: int = Field(10_000, ge=10, description="Images whose text and fingerprint stay in memory.")
    flush_period: timedelta = Field(
        timedelta(seconds=2), description="Counters and sightings are exchanged through the database so often."
    )
    check_limit_bytes: int = Field(
        21 * 1024 * 1024, ge=1024, description="Largest message that the API checks or learns, bytes."
    )
