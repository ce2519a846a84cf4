"""What every service is told."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

# design, section 5
API_PORTS = {
    "ingress": 8001,
    "antivirus": 8002,
    "antispam": 8003,
    "router": 8004,
    "store": 8005,
    "quota": 8006,
    "relay": 8007,
}


class ServiceSettings(BaseModel):
    """The settings that all services share; each service adds its own in a subclass."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="Address that the HTTP API and the listeners bind.")
    port_base: int = Field(0, ge=0, le=40000, description="Added to every port, so that instances run side by side.")
    hostname: str = Field("localhost", description="Our own name in greetings, Received headers and reports.")
    var_dir: Path = Field(Path("var"), description="Directory of everything that embedded mode keeps.")
    bus_url: str = Field("embedded:var/bus", description="embedded:DIRECTORY, amqp://... or amqps://...")
    mongo_url: str = Field("embedded:var/mongo", description="embedded:DIRECTORY (starts a mongod) or mongodb://...")
    mongo_prefix: str = Field("facteur_", description="Put before the name of each service's database.")
    blobs_url: str = Field("file:var/blobs", description="file:DIRECTORY, or mongo: for the cluster's MongoDB.")
    neighbour_url: str = Field(
        "http://127.0.0.1:{port}", description="Where other services answer; {service} and {port} are filled in."
    )
    admin_token_file: Path = Field(Path("var/admin-token"), description="File with the administrator's token.")
    service_token_file: Path = Field(Path("var/service-token"), description="File with the token of the services.")
    inline_limit_bytes: int = Field(256 * 1024, ge=0, description="Above it a raw message waits in the blob store.")
    handler_deadline: timedelta = Field(timedelta(minutes=2), description="Longest time one try at a message takes.")
    drain_deadline: timedelta = Field(timedelta(seconds=20), description="Time to finish what is in hand at SIGTERM.")
    start_deadline: timedelta = Field(timedelta(seconds=60), description="Time to wait for broker and database.")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    otlp_endpoint: str = Field("", description="OTLP/HTTP address for traces; empty: none are sent.")
    trace_ratio: float = Field(0.01, ge=0, le=1, description="Share of messages that are traced.")

    def port_of(self, service: str) -> int:
        """The HTTP port of `service`."""
        return API_PORTS[service] + self.port_base

    def url_of(self, service: str) -> str:
        """Where `service` answers HTTP."""
        return self.neighbour_url.format(service=service, port=self.port_of(service))
