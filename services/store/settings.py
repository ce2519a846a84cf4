"""Settings of the store service."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from libs.settings import ServiceSettings


class NoticeLimits(BaseModel):
    """Maximum rates of notices to senders. Mail beyond them gets no notice and waits for an administrator."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    per_sender_a_day: int = Field(3, ge=0, description="Notices to one envelope sender in a day.")
    per_peer_an_hour: int = Field(20, ge=0, description="Notices for mail from one peer in an hour.")
    per_domain_an_hour: int = Field(200, ge=0, description="Notices for mail to one domain in an hour.")
    in_total_an_hour: int = Field(1000, ge=0, description="Notices of the whole cluster in an hour.")


class PageLimits(BaseModel):
    """Maximum rates of requests to the public pages. An IPv6 peer counts as its /64."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    answers_a_link_a_day: int = Field(10, ge=1, description="Captcha answers for one link in a day.")
    answers_an_address_an_hour: int = Field(30, ge=1, description="Captcha answers from one peer in an hour.")
    views_a_link_an_hour: int = Field(100, ge=1, description="Views of one link in an hour.")


class Settings(ServiceSettings):
    """Settings of delivery, quarantine and cleanup."""

    prefetch: int = Field(100, ge=1, description="Messages in flight at a time; messages in flight share transactions.")
    large_concurrency: int = Field(4, ge=1, description="Messages above inline_limit_bytes in memory at a time.")
    append_limit_bytes: int = Field(
        40 * 1024 * 1024, ge=1, description="Maximum size of a message that the API accepts, in bytes."
    )
    idempotency_window: timedelta = Field(timedelta(hours=24), description="How long an Idempotency-Key is remembered.")
    limit_cache: timedelta = Field(timedelta(minutes=5), description="How long a limit of the quota service is cached.")
    give_up_after: timedelta = Field(
        timedelta(days=4),
        gt=timedelta(0),
        lt=timedelta(days=5),
        description="Age at which mail that its mailbox cannot take is bounced (RFC 5321 4.5.4.1).",
    )
    usage_window: timedelta = Field(
        timedelta(milliseconds=200), description="Changes of one mailbox within this time are published as one event."
    )
    usage_recheck: timedelta = Field(
        timedelta(minutes=10), description="Time between two checks for usage events that a crash lost."
    )
    quarantine_keep: timedelta = Field(timedelta(days=30), description="Age at which quarantined mail is deleted.")
    public_url: str = Field(
        "",
        pattern=r"^(https?://[^\s/]+(/[^\s?#]*[^\s?#/])?)?$",
        description="Public URL of /public/ of this service (https://mail.example.org). If empty, embedded mode "
        "uses its own API, and a cluster sends no notices and no digests.",
    )
    link_secret_file: Path = Field(
        default_factory=lambda earlier: Path(earlier["var_dir"]) / "link-secret",
        description="File with the secrets of links in notices and digests, by default in var_dir. The first line "
        "signs; all lines verify.",
    )
    page_proxies: tuple[IPv4Network | IPv6Network, ...] = Field(
        (), description="Reverse proxies in front of the public pages, whose X-Forwarded-For is trusted."
    )
    page_limits: PageLimits = Field(PageLimits(), description="Maximum rates of requests to the public pages.")
    captcha_keep: timedelta = Field(timedelta(minutes=15), description="How long a captcha can be answered.")
    quarantine_author: str = Field(
        "postmaster",
        pattern=r"^[A-Za-z0-9._+-]{1,64}$",
        description="Local part of the From address of notices and digests; the domain is that of the recipients.",
    )
    policy_cache: timedelta = Field(
        timedelta(minutes=1), description="How long a policy of the antispam service is cached."
    )
    notice_limits: NoticeLimits = Field(NoticeLimits(), description="Maximum rates of notices to senders.")
    notice_give_up_after: timedelta = Field(
        timedelta(hours=12),
        lt=timedelta(hours=20),
        description="How long sending a notice or a delivery receipt is retried.",
    )
    notice_period: timedelta = Field(
        timedelta(seconds=10), description="Time between two rounds of pending notices and delivery receipts."
    )
    digest_hour: int = Field(
        6, ge=0, le=23, description="Hour of the day, in UTC, at which the period of a digest ends."
    )
    digest_period: timedelta = Field(timedelta(minutes=5), description="Time between two rounds of due digests.")
    digest_lease: timedelta = Field(
        timedelta(minutes=10), description="How long a replica leases the digests of a domain."
    )
    tombstone_keep: timedelta = Field(
        timedelta(days=30),
        description="How long expunged UIDs are remembered for resynchronisation (RFC 7162 QRESYNC).",
    )
    cleanup_period: timedelta = Field(timedelta(minutes=10), description="Time between two cleanup rounds.")
    body_grace: timedelta = Field(timedelta(hours=1), description="How long an unreferenced body is kept.")
    blob_keep: timedelta = Field(timedelta(days=14), description="Age at which a claim-check blob is deleted.")
