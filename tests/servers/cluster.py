"""A cluster on one machine: a process a service, on a RabbitMQ and a MongoDB that run already."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from services import SERVICES
from tests.servers.facteur import ACCOUNTS, Facteur


def cluster_of(directory: Path, *, mongo_url: str, bus_url: str, more: Mapping[str, str] | None = None) -> Facteur:
    """Not started yet; its databases begin with the name of `directory`."""
    (directory / "var").mkdir()
    (directory / "var/admin-token").write_text(f"admin-{directory.name}\n")
    environ = {
        "FACTEUR_BUS_URL": bus_url,
        "FACTEUR_MONGO_URL": mongo_url,
        "FACTEUR_MONGO_PREFIX": f"{directory.name}_",
        "FACTEUR_BLOBS_URL": "mongo:",
        **(more or {}),
    }
    return Facteur(directory, processes=[(service,) for service in SERVICES], environ=environ)


def demonstration(facteur: Facteur) -> None:
    """What embedded mode makes at its first start."""
    facteur.post("router", "/v1/domains", {"name": "example.org"})
    passwords = {address: f"{address.split('@')[0]}1" for address in ACCOUNTS}
    for address, password in passwords.items():
        facteur.post("router", "/v1/accounts", {"address": address, "password": password})
    lines = "".join(f"{address} {password}\n" for address, password in passwords.items())
    (facteur.directory / "var/demo-passwords").write_text(lines)
