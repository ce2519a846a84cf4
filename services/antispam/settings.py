"""Settings of the antispam service. What concerns one domain is no setting but its policy."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network

from pydantic import Field

from libs.settings import ServiceSettings


class Settings(ServiceSettings):
    """Caches, windows, and what the filters take for our own."""

    trusted_networks: tuple[IPv4Network | IPv6Network, ...] = Field(
        (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")),
        description="Machines of ours: their HELO and Received headers are not held against them.",
    )
    own_names: tuple[str, ...] = Field(
        (), description="Host names of ours besides `hostname`, which no stranger may give for its own."
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
    flush_period: timedelta = Field(
        timedelta(seconds=2), description="Counters and sightings are exchanged through the database so often."
    )
    check_limit_bytes: int = Field(
        21 * 1024 * 1024, ge=1024, description="Largest message that the API checks or learns, bytes."
    )
