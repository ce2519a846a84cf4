"""Settings of the relay service."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Literal

from pydantic import Field

from libs.settings import ServiceSettings


class Settings(ServiceSettings):
    """Where mail leaves to, how often it is tried, who is told."""

    smarthost: str = Field("", description="HOST:PORT that takes all outgoing mail; empty: each domain's MX.")
    smarthost_user: str = Field("", description="Login at the smarthost, over verified TLS only; empty: none.")
    smarthost_password_file: Path | None = Field(None, description="File with the password for the smarthost.")
    smarthost_implicit_tls: bool = Field(
        False, description="TLS from the first octet at the smarthost (RFC 8314); at port 465 always."
    )
    tls_ca_file: Path | None = Field(
        None, description="File with certificates of authorities that are trusted besides those of the system."
    )
    smtp_port: int = Field(25, ge=1, le=65535, description="Port of other servers.")
    private_destinations: tuple[IPv4Network | IPv6Network, ...] = Field(
        (),
        description="Networks that are not of the internet (loopback, private) to which mail may leave all the same.",
    )
    tls: Literal["none", "opportunistic", "encrypted", "required"] = Field(
        "opportunistic",
        description="STARTTLS: never, when offered, always (these with any certificate), or always and verified.",
    )
    connect_timeout: timedelta = Field(timedelta(seconds=30), description="Longest wait for a connection.")
    command_timeout: timedelta = Field(timedelta(minutes=5), description="Longest wait for a reply (RFC 5321 4.5.3.2).")
    final_dot_timeout: timedelta = Field(
        timedelta(minutes=10), description="Longest wait for the reply to a whole message (RFC 5321 4.5.3.2.6)."
    )
    first_delay: timedelta = Field(timedelta(minutes=5), description="Before the second try; each next one doubles.")
    longest_delay: timedelta = Field(timedelta(hours=4), description="The delays grow up to it.")
    give_up_after: timedelta = Field(timedelta(days=5), description="Then the message goes back (RFC 5321 4.5.4.1).")
    delay_notice_after: timedelta = Field(timedelta(hours=4), description="Then its sender hears that it waits.")
    destination_limit: int = Field(
        5, ge=1, description="Connections of the whole cluster at a time to the mail servers of one mx_group."
    )
    total_limit: int = Field(
        50, ge=1, description="Connections of a process at a time; those to servers that let it wait count apart."
    )
    keep_done: timedelta = Field(timedelta(days=7), description="Done entries stay visible, and keep a message single.")
    poll_period: timedelta = Field(timedelta(seconds=1), description="How often due entries are looked for.")
    return_limit_bytes: int = Field(
        1024 * 1024, ge=0, description="Up to this size a message is returned whole where RET=FULL asks for it."
    )
