"""The API of one service: its routes, dead letters where it consumes a queue, and what all depend on."""

from __future__ import annotations

from collections.abc import Mapping

from libs.envelope import Temporary
from libs.http import Audit, Check, Checks, Connections, Server, application, strict
from libs.runtime.dead_letters import dead_letter_routes
from libs.runtime.descriptors import http_share
from libs.runtime.service import Service
from libs.runtime.shared import Shared
from libs.settings import ServiceSettings
from libs.tls import CertificateFiles, Certificates


def http_server(service: Service, shared: Shared, checks: Checks) -> Server:
    """Not started yet."""
    routers = (*service.routers, *([dead_letter_routes(shared.bus, service.queues)] if service.queues else ()))
    app = application(
        service.name,
        routers=[strict(router) for router in routers],
        checks=checks,
        metrics=service.metrics,
        tokens=shared.tokens,
        body_limit_bytes=service.body_limit_bytes,
        public=service.public,
        about=service.about,
    )
    app.add_middleware(Audit, service=service.name)  # the last one added is the outermost
    settings = service.settings
    connections = Connections(
        limit=min(settings.api_connections, http_share()),
        limit_per_network=settings.api_connections_per_network,
        metrics=service.metrics,
    )
    return Server(
        app,
        addresses=settings.api_addresses,
        port=settings.port_of(service.name),
        connections=connections,
        certificates=_certificates(settings),
    )


def _certificates(settings: ServiceSettings) -> Certificates | None:
    """Raises `ValueError` when the files cannot be used."""
    file = settings.api_certificate_file
    return Certificates(CertificateFiles(file, settings.api_certificate_key_file or file)) if file else None


def dependencies(service: Service, shared: Shared) -> Mapping[str, Check]:
    """The checks of the service's dependencies, by name."""
    return {"bus": _bus_check(shared), "database": shared.mongo.check, **service.checks}


def _bus_check(shared: Shared) -> Check:
    async def check() -> None:
        if not shared.bus.healthy:
            raise Temporary("the broker does not answer or is blocked")

    return check
