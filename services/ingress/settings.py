"""Settings of the ingress service."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from pydantic import Field

from libs.settings import ServiceSettings

MB = 1024 * 1024
Networks = tuple[IPv4Network | IPv6Network, ...]


class Settings(ServiceSettings):
    """Listeners, limits and policies of incoming mail."""

    # Listeners
    mx_port: int = Field(
        2525, ge=0, description="Port for mail from other servers; 0 switches it off. port_base is added."
    )
    submission_port: int = Field(
        2587, ge=0, description="Port for submission with STARTTLS (RFC 6409); 0 switches it off."
    )
    submissions_port: int = Field(
        2465, ge=0, description="Port for submission with implicit TLS (RFC 8314); 0 switches it off."
    )
    mx_offers_auth: bool = Field(False, description="Whether AUTH is offered on the MX port too, under TLS.")
    certificate_file: Path | None = Field(
        None, description="PEM file with the certificate and its chain; it is read again when it changes."
    )
    certificate_key_file: Path | None = Field(
        None, description="PEM file with the private key; by default the key is in certificate_file."
    )
    self_signed: bool = Field(
        True, description="Whether a self-signed certificate is made in var_dir/tls when none is configured."
    )
    certificate_check_interval: timedelta = Field(
        timedelta(seconds=30), description="Interval between two checks whether the certificate changed."
    )

    # Permissions
    main_domain: str = Field("example.org", description="Domain of <postmaster> without a domain (RFC 5321 4.5.1).")
    internal_networks: Networks = Field(
        (), description="Networks whose authenticated users have the send limits of internal users."
    )
    relay_networks: Networks = Field((), description="Networks that may relay without authentication; none by default.")
    proxy_networks: Networks = Field(
        (), description="Networks of load balancers that send a PROXY header (version 1 or 2); none by default."
    )
    ban_exempt_networks: Networks = Field(
        (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")),
        description="Networks that are never banned for guessing passwords, such as a gateway shared by all users.",
    )
    refuse_local_senders: bool = Field(
        True, description="Whether local domains in MAIL FROM are refused without authentication."
    )
    send_without_quota: bool = Field(
        False, description="Whether users may send while the quota service is unavailable; otherwise they are told 451."
    )

    # Messages
    max_message_bytes: int = Field(
        20 * MB, ge=1, description="Largest message for domains that do not set their own limit."
    )
    largest_message_bytes: int = Field(
        20 * MB, ge=1, description="Limit that no domain may exceed; EHLO announces it as SIZE (RFC 1870)."
    )
    max_recipients: int = Field(
        100, ge=1, description="Recipients of one message; further ones are told 452 (RFC 5321 4.5.3.1.8)."
    )
    max_line_octets: int = Field(
        16_384,
        ge=998,
        description="Longest line of a message without its CR LF; real senders exceed the 998 of RFC 5322 2.1.1.",
    )
    max_received: int = Field(
        100, ge=1, description="Received fields above which a message is taken for a mail loop (RFC 5321 6.3)."
    )
    max_header_bytes: int = Field(256 * 1024, ge=1024, description="Largest header of a message.")
    max_header_count: int = Field(1000, ge=10, description="Header fields that a message may have.")
    duplicate_window: timedelta = Field(
        timedelta(minutes=10),
        description="How long a message is recognised whose 250 the peer may have missed (RFC 1047).",
    )
    unconfirmed_window: timedelta = Field(
        timedelta(hours=6),
        description="How long a message that was told 451 because the broker did not answer keeps its id for a retry.",
    )
    publish_timeout: timedelta = Field(timedelta(seconds=30), description="Longest wait for the broker before a 451.")

    # Load
    max_connections: int = Field(1000, ge=1, description="Open connections of all listeners together.")
    max_connections_per_peer: int = Field(
        50, ge=1, description="Open connections of one IPv4 address or one IPv6 /64; a /48 may have twice as many."
    )
    max_incoming_messages: int = Field(300, ge=1, description="Messages that may be in transfer at once.")
    max_incoming_bytes: int = Field(256 * MB, ge=1, description="Memory for the messages that are in transfer at once.")
    max_incoming_share_per_peer: float = Field(
        0.25,
        gt=0,
        le=1,
        description="Share of both that one IPv4 address or IPv6 /64 may use; a /48 may use twice as much.",
    )
    max_commands: int = Field(20_000, ge=10, description="Commands of a session between two messages.")
    max_idle_commands: int = Field(
        100, ge=5, description="Commands such as NOOP and RSET of a session between two messages."
    )
    max_commands_per_second: int = Field(5000, ge=10, description="Commands a second above which a session is delayed.")
    max_errors: int = Field(50, ge=1, description="Refused commands of a session between two messages.")

    # Time
    greeting_delay: timedelta = Field(
        timedelta(0), description="Pause before the greeting; a peer that sends something meanwhile is refused."
    )
    idle_timeout: timedelta = Field(
        timedelta(minutes=5), description="Longest wait for a command (RFC 5321 4.5.3.2.7)."
    )
    command_timeout: timedelta = Field(
        timedelta(seconds=60), description="Longest time from the first to the last octet of a command."
    )
    data_block_timeout: timedelta = Field(
        timedelta(minutes=3), description="Longest wait for the next octets of a message (RFC 5321 4.5.3.2.5)."
    )
    slow_message_grace: timedelta = Field(
        timedelta(minutes=3), description="Period over which a message must arrive at min_bytes_per_second."
    )
    min_bytes_per_second: int = Field(
        256, ge=1, description="Lowest rate of a message; a large one must be fast enough for message_timeout."
    )
    message_timeout: timedelta = Field(
        timedelta(hours=1), description="Longest transfer of a message: enough for 20 MB at 48 kbit/s."
    )
    tls_handshake_timeout: timedelta = Field(timedelta(seconds=30), description="Longest TLS handshake.")

    # Passwords
    auth_failures_per_session: int = Field(
        3, ge=1, description="Failed authentications after which a session is closed."
    )
    auth_failures_per_address: int = Field(
        20, ge=1, description="Failed authentications of an address within auth_window."
    )
    auth_failures_per_account: int = Field(
        10, ge=1, description="Failed authentications of an account within auth_window."
    )
    auth_window: timedelta = Field(timedelta(minutes=15), description="How long failed authentications count.")
    auth_failure_delay: timedelta = Field(
        timedelta(seconds=1), description="Delay of the reply to a failed authentication; every fifth doubles it."
    )
    auth_failure_max_delay: timedelta = Field(
        timedelta(seconds=8), description="Longest delay of the reply to a failed authentication."
    )
    auth_ban_duration: timedelta = Field(
        timedelta(minutes=30), description="How long an address that guesses passwords is banned."
    )

    # Caches
    directory_cache_ttl: timedelta = Field(
        timedelta(seconds=60), description="How long answers of the router and of antispam are cached."
    )
    quota_cache_ttl: timedelta = Field(
        timedelta(seconds=60), description="How long answers of the quota service are cached."
    )
    idempotency_window: timedelta = Field(timedelta(hours=24), description="How long an Idempotency-Key is remembered.")

    def bound_addresses(self, service: str) -> list[tuple[str, int]]:
        ports = (self.mx_port, self.submission_port, self.submissions_port)
        listeners = [(host, port + self.port_base) for port in ports if port for host in self.host]
        return [*super().bound_addresses(service), *listeners]
