"""Settings of the antispam service. What administrators decide for one domain is in its policy."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from libs.settings import ServiceSettings

Zone = Annotated[str, StringConstraints(pattern=r"^([a-z0-9_-]{1,63}\.)+[a-z0-9-]{1,63}$")]


class Settings(ServiceSettings):
    """Own hosts, DNS lists, limits of memory, times of greylisting, thresholds, external engines and images."""

    trusted_networks: tuple[IPv4Network | IPv6Network, ...] = Field(
        (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")),
        description="Networks of the cluster's own hosts: their HELO names and Received fields are not checked.",
    )
    own_host_names: tuple[str, ...] = Field(
        (), description="Host names of the cluster besides `hostname`; a foreign peer that gives one in HELO is a hit."
    )
    arc_trusted_sealers: tuple[str, ...] = Field(
        (),
        description="Domains of forwarders and lists whose ARC seals are believed when they say that DMARC passed.",
    )
    dnsbl: tuple[Zone, ...] = Field(
        (), description="DNS blocklists of IP addresses, for example zen.spamhaus.org; the default is none."
    )
    uribl: tuple[Zone, ...] = Field(
        (), description="DNS blocklists of domains, for example dbl.spamhaus.org; the default is none."
    )
    uribl_domains_per_message: int = Field(
        20, ge=1, le=200, description="Domains of one message that are looked up in the lists of `uribl`."
    )
    invalid_mx_address_share: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Share of the score of invalid_mx for a sender's domain that has an address but no MX; 0 is none.",
    )
    rulebook_max_age: timedelta = Field(
        timedelta(seconds=60), description="Policies, lists and rules are read again after this time or after a change."
    )
    rulebook_capacity: int = Field(10_000, ge=10, description="Domains whose policies, lists and rules stay in memory.")
    mass_mailing_recipients: int = Field(
        24, ge=2, description="Recipients of the same message from which on it is a mass mailing."
    )
    mass_mailing_window: timedelta = Field(
        timedelta(minutes=10), description="Time within which the recipients of the same message are counted."
    )
    mass_mailing_capacity: int = Field(
        100_000, ge=100, description="Different messages whose recipients are counted in memory, 500 bytes each."
    )
    blacklisted_peers_capacity: int = Field(100_000, ge=100, description="Blacklisted peers that stay in memory.")
    bayes_min_messages: int = Field(
        50,
        ge=1,
        description="Messages of spam, and of ham, that must be learned before the bayes filter can hit.",
    )
    bayes_max_tokens: int = Field(
        1_000_000, ge=10_000, description="Tokens in the statistics of one scope; beyond it the rarest are discarded."
    )
    bayes_cache_tokens: int = Field(
        1_000_000, ge=10_000, description="Tokens of single domains' statistics that stay in memory, 150 bytes each."
    )
    bayes_retention: timedelta = Field(
        timedelta(days=365), description="Messages that were learned longer ago are unlearned."
    )
    junk_moves_train: Literal["domain", "all", "none"] = Field(
        "domain",
        description="Statistics that learn from moves into and out of Junk: of the domain, of all, none.",
    )
    greylisting_delay: timedelta = Field(
        timedelta(minutes=5), description="Time after which the retry of a greylisted message is accepted."
    )
    greylisting_retry_window: timedelta = Field(
        timedelta(hours=24), description="Time within which the retry must come; a later one is a first attempt again."
    )
    greylisting_retention: timedelta = Field(
        timedelta(days=36), description="Time that a triplet which passed is known; each message starts it again."
    )
    greylisting_network_passes: int = Field(
        5, ge=1, description="Triplets that passed, after which their whole network (/24 or /64) is not greylisted."
    )
    greylisting_per: Literal["recipient", "domain"] = Field(
        "recipient", description="Last part of a triplet: a sender waits for each recipient, or once for their domain."
    )
    honeypot_ban_duration: timedelta = Field(
        timedelta(hours=1), description="Time that a peer is blacklisted after it sent mail to a honeypot."
    )
    honeypot_trains: bool = Field(True, description="Mail to a honeypot is learned as spam in the statistics for all.")
    automatic_whitelist_retention: timedelta = Field(
        timedelta(days=180), description="Time that a sender stays on the automatic whitelist after the last message."
    )
    automatic_whitelist_capacity: int = Field(
        100_000, ge=100, description="Senders whose state on the automatic whitelist stays in memory."
    )
    complaint_retention: timedelta = Field(timedelta(days=30), description="Time that a complaint counts.")
    complaint_threshold_peer: int = Field(
        5, ge=1, description="Distinct complainants from which on complaints about a peer's address are a hit."
    )
    complaint_threshold_sender: int = Field(
        3, ge=1, description="Distinct complainants from which on complaints about a sender's address are a hit."
    )
    complaint_threshold_domain: int = Field(
        10, ge=1, description="Distinct complainants from which on complaints about a sender's domain are a hit."
    )
    statistics_retention: timedelta = Field(
        timedelta(days=400), description="Time that the daily statistics of domains and accounts are kept."
    )
    spamd: str = Field(
        "",
        pattern=r"^(tcp://\S+:\d+|unix:/.+)?$",
        description="Address of SpamAssassin's spamd, tcp://HOST:PORT or unix:/PATH; empty for none.",
    )
    rspamd: str = Field(
        "",
        pattern=r"^(https?://\S+)?$",
        description="URL of Rspamd's normal or proxy worker, http://HOST:PORT; empty for none.",
    )
    rspamd_required_score: float = Field(
        6.0, gt=0, description="Score of Rspamd from which on it is a hit; 6 is that of its action `add header`."
    )
    engine_deadline: timedelta = Field(
        timedelta(seconds=10), description="Longest time that a message waits for an external engine."
    )
    engine_cooldown: timedelta = Field(
        timedelta(seconds=30), description="Time without requests to an engine that failed three times in a row."
    )
    engine_connections: int = Field(
        5, ge=1, le=100, description="Requests to an engine at the same time; spamd needs as many children."
    )
    engine_limit_bytes: int = Field(512_000, ge=1024, description="Larger messages are not sent to an external engine.")
    ocr_data_directory: str = Field(
        "",
        description="Directory of tesseract's language data (Debian: /usr/share/tesseract-ocr/5/tessdata); empty turns "
        "OCR off.",
    )
    ocr_languages: str = Field("eng", description="Languages of OCR by tesseract's names, for example eng+deu.")
    image_workers: int = Field(
        1, ge=1, le=32, description="Processes that read images; the first image of a message starts one."
    )
    image_deadline: timedelta = Field(
        timedelta(seconds=5), description="Longest time for one image; a process that takes longer is killed."
    )
    images_per_message: int = Field(4, ge=1, le=100, description="Images of one message that are read.")
    image_limit_bytes: int = Field(2 * 1024 * 1024, ge=1024, description="Larger images are not read.")
    image_limit_pixels: int = Field(
        16_000_000, ge=1024, description="Images of more pixels are not read, since they may be decompression bombs."
    )
    image_match_bits: int = Field(
        6, ge=0, le=20, description="Bits of 64 in which the fingerprint of an image may differ from a known one."
    )
    image_cache_capacity: int = Field(10_000, ge=10, description="Images whose text and fingerprint stay in memory.")
    flush_period: timedelta = Field(
        timedelta(seconds=2), description="Period in which counters are exchanged with the database."
    )
    api_message_limit_bytes: int = Field(
        21 * 1024 * 1024, ge=1024, description="Largest message that the API checks or learns."
    )
