"""Settings of the store service."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from libs.settings import ServiceSettings


class NoticeLimits(BaseModel):
    """How many notices at most. What is beyond is never sent: the mail waits for an administrator."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    per_sender_a_day: int = Field(3, ge=0)
    per_peer_an_hour: int = Field(20, ge=0)
    per_domain_an_hour: int = Field(200, ge=0)
    in_total_an_hour: int = Field(1000, ge=0)


class PageLimits(BaseModel):
    """How often one may try. An IPv6 peer counts as its /64."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    answers_a_link_a_day: int = Field(10, ge=1)
    answers_an_address_an_hour: int = Field(30, ge=1)
    views_a_link_an_hour: int = Field(100, ge=1)


class Settings(ServiceSettings):
    """Delivery, quarantine, and what is cleaned up when."""

    prefetch: int = Field(100, ge=1, description="Messages in hand at a time; more of them share a transaction.")
    large_concurrency: int = Field(4, ge=1, description="Messages above inline_limit_bytes in memory at a time.")
    append_limit_bytes: int = Field(40 * 1024 * 1024, ge=1, description="Largest message that the API takes, bytes.")
    idempotency_window: timedelta = Field(timedelta(hours=24), description="How long an Idempotency-Key is known.")
    limit_cache: timedelta = Field(timedelta(minutes=5), description="How long a limit of quota is believed.")
    give_up_after: timedelta = Field(
        timedelta(days=4),
        gt=timedelta(0),
        lt=timedelta(days=5),
        description="Mail that its mailbox could not take for so long is returned to its sender (RFC 5321 4.5.4.1).",
    )
    usage_window: timedelta = Field(
        timedelta(milliseconds=200), description="Changes of one mailbox within this time are told as one event."
    )
    usage_recheck: timedelta = Field(timedelta(minutes=10), description="How often events lost in a crash are sought.")
    quarantine_keep: timedelta = Field(timedelta(days=30), description="Age at which quarantined mail is deleted.")
    public_url: str = Field(
        "",
        pattern=r"^(https?://[^\s/]+(/[^\s?#]*[^\s?#/])?)?$",
        description="Where the world reaches /public/ of this service (https://mail.example.org); empty: embedded mode "
        "takes its own API, a cluster sends no notices and no digests.",
    )
    link_secret_file: Path = Field(
        default_factory=lambda earlier: Path(earlier["var_dir"]) / "link-secret",
        description="File with the key that signs links in notices and digests, by default in var_dir; of several "
        "lines the first signs and all are taken.",
    )
    page_proxies: tuple[IPv4Network | IPv6Network, ...] = Field(
        (), description="Reverse proxies before the public pages, whose X-Forwarded-For is believed."
    )
    page_limits: PageLimits = Field(PageLimits(), description="How often one may try on the public pages.")
    captcha_keep: timedelta = Field(timedelta(minutes=15), description="How long a captcha can be answered.")
    quarantine_author: str = Field(
        "postmaster",
        pattern=r"^[A-Za-z0-9._+-]{1,64}$",
        description="Local part of the author of notices and digests; the domain is the recipient's.",
    )
    policy_cache: timedelta = Field(timedelta(minutes=1), description="How long a policy of antispam is believed.")
    notice_limits: NoticeLimits = Field(NoticeLimits(), description="How many notices are sent to senders at most.")
    notice_give_up_after: timedelta = Field(
        timedelta(hours=12),
        lt=timedelta(hours=20),
        description="How long a notice that cannot be sent is tried, or the report of a delivery that was asked for.",
    )
    notice_period: timedelta = Field(
        timedelta(seconds=10), description="How often notices and reports left over are sought."
    )
    digest_hour: int = Field(6, ge=0, le=23, description="Hour of the day, UTC, up to which a digest tells.")
    digest_period: timedelta = Field(timedelta(minutes=5), description="How often digests that are due are sought.")
    digest_lease: timedelta = Field(
        timedelta(minutes=10), description="How long one replica has the digests of a domain to itself."
    )
    tombstone_keep: timedelta = Field(
        timedelta(days=30), description="How long expunged UIDs are remembered, for clients that come back (QRESYNC)."
    )
    cleanup_period: timedelta = Field(timedelta(minutes=10), description="Time between two rounds of the collector.")
    body_grace: timedelta = Field(timedelta(hours=1), description="How long a body without messages is kept.")
    blob_keep: timedelta = Field(timedelta(days=14), description="Age at which a claim-check blob is deleted.")
