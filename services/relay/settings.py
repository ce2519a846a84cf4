"""Settings of the relay service."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field

from libs.settings import ServiceSettings


class Settings(ServiceSettings):
    """Where mail leaves to, how often it is tried, who is told."""

    smarthost: str = Field("", description="HOST:PORT that takes all outgoing mail; empty: each domain's MX.")
    smarthost_user: str = Field("", description="Login at the smarthost; empty: none.")
    smarthost_password_file: Path | None = Field(None, description="File with the password for the smarthost.")
    smtp_port: int = Field(25, ge=1, le=65535, description="Port of other servers.")
    tls: Literal["none", "opportunistic", "required"] = Field(
        "opportunistic",
        description="STARTTLS towards peers: never, when offered (any certificate), or nothing without.",
    )
    connect_timeout: timedelta = Field(timedelta(seconds=30), description="Longest wait for a connection and greeting.")
    command_timeout: timedelta = Field(timedelta(minutes=5), description="Longest wait for a reply (RFC 5321 4.5.3.2).")
    first_delay: timedelta = Field(timedelta(minutes=5), description="Before the second try; each next one doubles.")
    longest_delay: timedelta = Field(timedelta(hours=4), description="The delays grow up to it.")
    give_up_after: timedelta = Field(timedelta(days=5), description="Then the message goes back (RFC 5321 4.5.4.1).")
    delay_notice_after: timedelta = Field(timedelta(hours=4), description="Then its sender hears that it waits.")
    destination_limit: int = Field(5, ge=1, description="Connections at a time to one destination.")
    total_limit: int = Field(50, ge=1, description="Connections at a time to all.")
    keep_done: timedelta = Field(timedelta(days=7), description="Done entries stay visible, and keep a message single.")
    poll_period: timedelta = Field(timedelta(seconds=1), description="How often due entries are looked for.")
    notice_author: str = Field("postmaster@localhost", description="From address of delivery status notifications.")
