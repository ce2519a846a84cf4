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
    """Listeners, limits and policies of what comes in."""

    # Listeners
    mx_port: int = Field(2525, ge=0, description="Port of mail from other servers; 0: none. port_base is added.")
    submission_port: int = Field(2587, ge=0, description="Port of submission with STARTTLS (RFC 6409); 0: none.")
    submissions_port: int = Field(2465, ge=0, description="Port of submission with implicit TLS (RFC 8314); 0: none.")
    mx_offers_auth: bool = Field(False, description="Whether AUTH is offered on the MX port too, under TLS.")
    certificate_file: Path | None = Field(None, description="PEM file of certificate and chain, read again on change.")
    certificate_key_file: Path | None = Field(None, description="PEM file of its key; none: it is in certificate_file.")
    self_signed: bool = Field(True, description="Make a certificate in var_dir/tls where none is configured.")
    certificate_check: timedelta = Field(
        timedelta(seconds=30), description="How often a changed certificate is looked for."
    )

    # Who may do what
    main_domain: str = Field("example.org", description="Domain of <postmaster> without a domain (RFC 5321 4.5.1).")
    internal_networks: Networks = Field(
        (), description="Networks whose authenticated users have the internal send limits."
    )
    relay_networks: Networks = Field((), description="Networks that may relay without authentication; none by default.")
    proxy_networks: Networks = Field(
        (), description="Load balancers that send a PROXY header (v1 or v2); none by default."
    )
    spared_networks: Networks = Field(
        (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128")),
        description="Networks that are never banned for guessing passwords: behind one address may be all our users.",
    )
    refuse_local_senders: bool = Field(True, description="Refuse our own domains in MAIL FROM without authentication.")
    send_without_quota: bool = Field(False, description="Let users send while the quota service is away (else 451).")

    # Messages
    max_message_bytes: int = Field(
        20 * MB, ge=1, description="Largest message, unless the domain says otherwise (R-IN-04)."
    )
    largest_message_bytes: int = Field(
        20 * MB, ge=1, description="What no domain may exceed; the SIZE that EHLO offers."
    )
    max_recipients: int = Field(
        100, ge=1, description="Recipients of one message; the rest is told 452 (RFC 5321 4.5.3.1.8)."
    )
    max_line_octets: int = Field(
        16_384,
        ge=998,
        description="Longest line of a message without its CR LF; honest senders write more than RFC 5322 2.1.1 has.",
    )
    max_received: int = Field(100, ge=1, description="Received fields of a message that does not loop (RFC 5321 6.3).")
    max_header_bytes: int = Field(256 * 1024, ge=1024, description="Largest header block.")
    max_header_count: int = Field(1000, ge=10, description="Most header fields.")
    duplicate_window: timedelta = Field(
        timedelta(minutes=10), description="How long a message whose 250 was perhaps not heard is recognised."
    )
    unconfirmed_window: timedelta = Field(
        timedelta(hours=6),
        description="How long a message that was told 451 because the broker did not answer keeps its id for a retry.",
    )
    publish_deadline: timedelta = Field(timedelta(seconds=30), description="Longest wait for the broker before a 451.")

    # Load
    max_connections: int = Field(1000, ge=1, description="Connections of all listeners together.")
    max_connections_per_peer: int = Field(
        50, ge=1, description="Connections of one address, or of one IPv6 /64; of a /48 twice as many."
    )
    max_messages_in_receipt: int = Field(300, ge=1, description="Messages that are being received at once.")
    max_bytes_in_receipt: int = Field(256 * MB, ge=1, description="Octets of them that are in memory at once.")
    max_share_per_peer: float = Field(
        0.25, gt=0, le=1, description="Part of both that one address (IPv6: one /64; a /48 twice that) may take."
    )
    max_commands: int = Field(20_000, ge=10, description="Commands of a session between two messages.")
    max_idle_commands: int = Field(100, ge=5, description="Commands that bring no mail forward, between two messages.")
    max_commands_per_second: int = Field(5000, ge=10, description="Above it a session is slowed down.")
    max_errors: int = Field(50, ge=1, description="Refused commands of a session between two messages.")

    # Time
    greet_delay: timedelta = Field(timedelta(0), description="Pause before the greeting; who talks in it is sent away.")
    idle_timeout: timedelta = Field(
        timedelta(minutes=5), description="Longest wait for a command (RFC 5321 4.5.3.2.7)."
    )
    command_timeout: timedelta = Field(
        timedelta(seconds=60), description="Longest time from first to last octet of a command."
    )
    silence_timeout: timedelta = Field(
        timedelta(minutes=3), description="Longest wait within a message (RFC 5321 4.5.3.2.5)."
    )
    slow_grace: timedelta = Field(
        timedelta(minutes=3), description="Within any such time a message must come in at the least rate."
    )
    min_bytes_per_second: int = Field(
        256, ge=1, description="Least rate of a message; a large one needs the rate at which it is whole in time."
    )
    message_timeout: timedelta = Field(
        timedelta(hours=1), description="Longest time that a message takes to come in: 20 MB at 48 kbit/s."
    )
    tls_timeout: timedelta = Field(timedelta(seconds=30), description="Longest TLS handshake.")

    # Passwords
    auth_failures_per_session: int = Field(3, ge=1, description="Failed AUTH before a session is closed.")
    auth_failures_per_address: int = Field(20, ge=1, description="Failed AUTH of an address within auth_window.")
    auth_failures_per_account: int = Field(10, ge=1, description="Failed AUTH of an account within auth_window.")
    auth_window: timedelta = Field(timedelta(minutes=15), description="How long failures count.")
    auth_delay: timedelta = Field(timedelta(seconds=1), description="Pause after a failure, doubled with every fifth.")
    auth_longest_delay: timedelta = Field(timedelta(seconds=8), description="Longest pause after a failure.")
    abuse_ban: timedelta = Field(
        timedelta(minutes=30), description="How long an address that guesses passwords is refused."
    )

    # Caches
    directory_cache: timedelta = Field(timedelta(seconds=60), description="How long the router's answers are kept.")
    quota_cache: timedelta = Field(timedelta(seconds=60), description="How long the quota service's answers are kept.")
    idempotency_window: timedelta = Field(timedelta(hours=24), description="How long an Idempotency-Key is known.")

    def bound_addresses(self, service: str) -> list[tuple[str, int]]:
        ports = (self.mx_port, self.submission_port, self.submissions_port)
        listeners = [(host, port + self.port_base) for port in ports if port for host in self.host]
        return [*super().bound_addresses(service), *listeners]
