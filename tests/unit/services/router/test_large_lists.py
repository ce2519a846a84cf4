"""Lists of many members hold up nobody else: the loop goes on while they are followed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from datetime import timedelta

from libs.envelope import Envelope, Mail, Recipient
from libs.envelope.model import utc_now
from services.router.domain.resolution import AddressRoute, ExpansionLimits
from services.router.handlers import RoutingHandler
from services.router.ports import DomainRoutes
from services.router.resolver import RouteResolver

MEMBERS = tuple(f"member{number}@example.org" for number in range(9000))


class Table:
    async def domains(self, names: Collection[str]) -> Mapping[str, DomainRoutes]:
        return {name: DomainRoutes(name) for name in names if name}

    async def routes(self, addresses: Collection[str]) -> Mapping[str, AddressRoute]:
        alias = AddressRoute("all@example.org", "alias", targets=MEMBERS)
        members = {address: AddressRoute(address, "account", keeps_copy=True) for address in addresses}
        return members | ({"all@example.org": alias} if "all@example.org" in addresses else {})


async def test_a_message_to_nine_thousand_members_leaves_its_turns_to_others() -> None:
    limits = ExpansionLimits(addresses=10_000)
    routing = RoutingHandler(RouteResolver(Table(), limits, cached_routes=20_000, ttl=timedelta(hours=1)))
    envelope = Envelope(
        id="1", received_at=utc_now(), recipients=(Recipient(address="all@example.org"),), size_bytes=1, sha256=""
    )
    turns, done = 0, False

    async def others() -> None:
        nonlocal turns
        while not done:
            await asyncio.sleep(0)
            turns += 1

    beside = asyncio.create_task(others())
    [_] = await routing.route(Mail(envelope, b"x"))  # what is not known yet
    turns, started = 0, time.monotonic()
    [onward] = await routing.route(Mail(envelope, b"x"))
    seconds, done = time.monotonic() - started, True
    await beside
    assert len(onward.mail.envelope.recipients) == 9000
    # A walk in one go would leave a handful.
    assert turns > 20, f"{turns} turns of others in {seconds:.3f} s"
