"""Settings of the relay service."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal

from pydantic import Field

from libs.settings import ServiceSettings


class Settings(ServiceSettings):
    """Configures where outgoing mail is sent, how often it is tried, and which notifications are sent."""

    smarthost: str = Field(
        "", description="HOST:PORT that takes all outgoing mail; empty: the MX hosts of each domain."
    )
    smarthost_user: str = Field("", description="Login at the smarthost, over verified TLS only; empty: no login.")
    smarthost_password_file: Path | None = Field(None, description="File that contains the password for the smarthost.")
    smarthost_implicit_tls: bool = Field(
        False, description="Start TLS with the first octet at the smarthost (RFC 8314 3.3); port 465 always does."
    )
    tls_ca_file: Path | None = Field(
        None, description="File with the certificates of additional trusted certificate authorities."
    )
    smtp_port: int = Field(25, ge=1, le=65535, description="Port at which other mail servers are contacted.")
    private_destinations: tuple[IPv4Network | IPv6Network, ...] = Field(
        (),
        description="Networks outside the public internet to which mail may be sent all the same.",
    )
    tls: Literal["none", "opportunistic", "encrypted", "required"] = Field(
        "opportunistic",
        description="STARTTLS: never, when offered, always (both with any certificate), or always verified.",
    )
    connect_timeout: timedelta = Field(timedelta(seconds=30), description="Time limit for opening a connection.")
    command_timeout: timedelta = Field(
        timedelta(minutes=5), description="Time limit for the reply to a command (RFC 5321 4.5.3.2)."
    )
    final_dot_timeout: timedelta = Field(
        timedelta(minutes=10), description="Time limit for the reply to a whole message (RFC 5321 4.5.3.2.6)."
    )
    first_retry_delay: timedelta = Field(
        timedelta(minutes=5), description="Delay before the second attempt; it doubles with each further one."
    )
    longest_retry_delay: timedelta = Field(timedelta(hours=4), description="Upper bound of the delay between attempts.")
    give_up_after: timedelta = Field(
        timedelta(days=5), description="Age at which undelivered mail is returned (RFC 5321 4.5.4.1)."
    )
    delay_notice_after: timedelta = Field(
        timedelta(hours=4), description="Age at which the sender is told of the delay."
    )
    connections_per_mx_group: int = Field(
        5, ge=1, description="Concurrent connections of the whole cluster to the mail servers of one MX group."
    )
    max_connections: int = Field(
        50, ge=1, description="Concurrent connections of a process; those to slow servers are counted apart."
    )
    done_retention: timedelta = Field(
        timedelta(days=7), description="Time for which finished entries stay visible and suppress duplicates."
    )
    poll_period: timedelta = Field(timedelta(seconds=1), description="Interval at which due entries are looked up.")
    return_limit_bytes: int = Field(
        1024 * 1024,
        ge=0,
        description="Largest message that is returned in full where RET=FULL asks for it (RFC 3461 4.3).",
    )
