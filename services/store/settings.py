"""Settings of the store service."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from libs.settings import ServiceSettings


class Settings(ServiceSettings):
    """Delivery, quarantine, and what is cleaned up when."""

    prefetch: int = Field(100, ge=1, description="Messages in hand at a time; more of them share a transaction.")
    large_in_hand: int = Field(4, ge=1, description="Messages above inline_limit_bytes in memory at a time.")
    append_limit_bytes: int = Field(40 * 1024 * 1024, ge=1, description="Largest message that the API takes, bytes.")
    limit_cache: timedelta = Field(timedelta(minutes=5), description="How long a limit of quota is believed.")
    give_up_after: timedelta = Field(
        timedelta(days=4),
        gt=timedelta(0),
        lt=timedelta(days=5),
        description="Mail that its mailbox could not take for so long is returned to its sender (RFC 5321 4.5.4.1).",
    )
    notice_author: str = Field("postmaster@localhost", description="From address of delivery status notifications.")
    usage_window: timedelta = Field(
        timedelta(milliseconds=200), description="Changes of one mailbox within this time are told as one event."
    )
    usage_recheck: timedelta = Field(timedelta(minutes=10), description="How often events lost in a crash are sought.")
    quarantine_keep: timedelta = Field(timedelta(days=30), description="Age at which quarantined mail is deleted.")
    tombstone_keep: timedelta = Field(
        timedelta(days=30), description="How long expunged UIDs are remembered, for clients that come back (QRESYNC)."
    )
    collect_period: timedelta = Field(timedelta(minutes=10), description="Time between two rounds of the collector.")
    body_grace: timedelta = Field(timedelta(hours=1), description="How long a body without messages is kept.")
    blob_keep: timedelta = Field(timedelta(days=14), description="Age at which a claim-check blob is deleted.")
