"""The settings that all services share."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

# The ports of the HTTP APIs, before `port_base` is added; the same as in the table of `services/__init__.py`.
API_PORTS = {
    "ingress": 8001,
    "antivirus": 8002,
    "antispam": 8003,
    "router": 8004,
    "store": 8005,
    "quota": 8006,
    "relay": 8007,
}


_SECONDS = re.compile(r"\d+(\.\d+)?")


def _in_var_dir(pattern: str) -> Callable[[dict[str, Any]], str]:
    return lambda earlier: pattern.format(earlier["var_dir"])


class ServiceSettings(BaseModel):
    """The settings that all services share; each service adds its own in a subclass.

    Addresses may hold a password: they are left out where settings are shown (`repr=False`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: tuple[str, ...] = Field(
        ("127.0.0.1",),
        min_length=1,
        description='Addresses that the listeners of mail protocols bind: one, or a list as ["0.0.0.0", "::"].',
    )
    api_addresses: tuple[str, ...] = Field(
        ("127.0.0.1",),
        min_length=1,
        description='Addresses that the HTTP API binds, as ["0.0.0.0", "::"] for all of both families.',
    )
    api_certificate_file: Path | None = Field(
        None, description="Certificate chain (PEM) of the HTTP API; without one it speaks plain HTTP."
    )
    api_certificate_key_file: Path | None = Field(None, description="Its key, if it is not in the same file.")
    api_plaintext: bool = Field(
        False,
        description="Serve the HTTP API without TLS beyond the loopback addresses: only where the network is private.",
    )
    api_connections: int = Field(
        500, ge=10, description="HTTP connections that a service holds; fewer where the process has few descriptors."
    )
    api_connections_per_network: int = Field(
        100, ge=1, description="Those of them without a token, of one IPv4 address or IPv6 /64."
    )
    port_base: int = Field(0, ge=0, le=40000, description="Added to every port, so that instances run side by side.")
    hostname: str = Field("localhost", description="Our own name in greetings, Received headers and reports.")
    notice_author: str = Field("postmaster@localhost", description="From address of delivery status notifications.")
    var_dir: Path = Field(Path("var"), description="Directory of everything that embedded mode keeps.")
    bus_url: str = Field(
        default_factory=_in_var_dir("embedded:{}/bus"),
        repr=False,
        description="The bus: embedded:DIRECTORY (by default bus in var_dir), amqp://... or amqps://...",
    )
    mongo_url: str = Field(
        default_factory=_in_var_dir("embedded:{}/mongo"),
        repr=False,
        description="The database: embedded:DIRECTORY starts a mongod (by default in var_dir), or mongodb://...",
    )
    mongo_prefix: str = Field("facteur_", description="Put before the name of each service's database.")
    blobs_url: str = Field(
        default_factory=_in_var_dir("file:{}/blobs"),
        description="The blob store: file:DIRECTORY (by default in var_dir), or mongo: for the cluster's MongoDB.",
    )
    neighbour_ca_file: Path | None = Field(
        None, description="Certificates (PEM) that sign those of other services' APIs; by default the system's."
    )
    neighbour_url: str = Field(
        "http://127.0.0.1:{port}", description="Where other services answer; {service} and {port} are filled in."
    )
    admin_token_file: Path = Field(
        default_factory=_in_var_dir("{}/admin-token"),
        validate_default=True,
        description="File with the administrator's token, by default in var_dir.",
    )
    service_tokens_dir: Path | None = Field(
        None,
        description=(
            "Directory with a file for each caller of the APIs, named like it (a service, or a program of yours): its "
            "token, or sha256: and the hexadecimal digest of its token. By default it is made in var_dir."
        ),
    )
    service_token_file: Path | None = Field(
        None,
        description="File with the token that this process sends; by default its own in service_tokens_dir.",
    )
    dns_servers: tuple[str, ...] = Field(
        (), description="IP addresses of recursive resolvers; empty: those of the system (resolv.conf)."
    )
    dns_port: int = Field(53, ge=1, le=65535, description="Port of these resolvers.")
    dns_timeout: timedelta = Field(timedelta(seconds=2), description="Longest wait for one answer of one DNS server.")
    dns_deadline: timedelta = Field(timedelta(seconds=5), description="Longest time of a look-up, all its tries.")
    dns_concurrency: int = Field(100, ge=1, description="Questions to DNS servers at a time, each service.")
    dns_cache: int = Field(20_000, ge=0, description="DNS answers that each service remembers.")
    inline_limit_bytes: int = Field(256 * 1024, ge=0, description="Above it a raw message waits in the blob store.")
    queue_max_messages: int = Field(
        500_000, ge=1, description="Waiting messages of a queue, beyond which it takes no more; events drop the oldest."
    )
    queue_max_bytes: int = Field(
        8 << 30, ge=1 << 20, description="Bytes that wait in a queue, beyond which it takes no more."
    )
    handler_deadline: timedelta = Field(timedelta(minutes=2), description="Longest time one try at a message takes.")
    drain_deadline: timedelta = Field(
        timedelta(seconds=20), description="Time to finish the work in flight at SIGTERM."
    )
    start_deadline: timedelta = Field(timedelta(seconds=60), description="Time to wait for broker and database.")
    neighbour_deadline: timedelta = Field(
        timedelta(seconds=15), description="Time that a starting service waits for a neighbour before it takes mail."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    otlp_endpoint: str = Field("", description="OTLP/HTTP address for traces (http://host:4318); empty: none are sent.")
    trace_ratio: float = Field(0.01, ge=0, le=1, description="Share of messages that are traced.")

    @field_validator("*", mode="before")
    @classmethod
    def _seconds(cls, value: Any, info: ValidationInfo) -> Any:
        """The environment has only text: a bare number for a duration is seconds, as it is in TOML."""
        annotation = cls.model_fields[info.field_name or ""].annotation
        if isinstance(value, str) and "timedelta" in str(annotation) and _SECONDS.fullmatch(value):
            return float(value)
        return value

    @field_validator("host", "api_addresses", mode="before")
    @classmethod
    def _one_address(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _private_or_secured(self) -> Self:
        open_to_others = [each for each in self.api_addresses if not ip_address(each).is_loopback]
        if open_to_others and self.api_certificate_file is None and not self.api_plaintext:
            raise ValueError(
                f"api_addresses: {open_to_others[0]} is not a loopback address: set api_certificate_file, "
                "or api_plaintext=true where the network is private"
            )
        return self

    @field_validator("dns_servers", "api_addresses")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for address in value:
            ip_address(address)
        return value

    @field_validator("neighbour_url")
    @classmethod
    def _known_places(cls, value: str) -> str:
        try:
            value.format(service="", port=0)
        except (LookupError, ValueError, AttributeError):
            raise ValueError("only {service} and {port} can be filled in") from None
        return value

    def port_of(self, service: str) -> int:
        """The HTTP port of `service`."""
        return API_PORTS[service] + self.port_base

    def bound_addresses(self, service: str) -> list[tuple[str, int]]:
        """All that `service` binds, host and port."""
        return [(address, self.port_of(service)) for address in self.api_addresses]

    def url_of(self, service: str) -> str:
        """Where `service` answers HTTP."""
        return self.neighbour_url.format(service=service, port=self.port_of(service))
