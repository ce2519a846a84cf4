"""The names of the peer: which its owner claims, which resolve back to it."""

from __future__ import annotations

from typing import Any

import pytest

from libs.envelope import Temporary
from services.antispam.filtering.peer_names import PeerNames, peer_names_of
from tests.servers.zone import Zone
from tests.specimens.antispam import a_context, a_view, an_environment

PTR = "1.2.0.192.in-addr.arpa"


def context(zone: Zone) -> Any:
    return a_context(environment=an_environment(zone=zone))


async def test_a_name_is_confirmed_by_the_address_that_it_has() -> None:
    zone = Zone(f"{PTR} PTR a.example.\n{PTR} PTR b.example.\na.example A 192.0.2.1\nb.example A 192.0.2.9")
    names = await peer_names_of(a_view(), context(zone))
    assert names == PeerNames(("a.example", "b.example"), ("a.example",))


async def test_the_names_are_looked_up_once_per_message() -> None:
    zone, view = Zone(f"{PTR} PTR a.example.\na.example A 192.0.2.1"), a_view()
    await peer_names_of(view, context(zone))
    asked = len(zone.asked)
    await peer_names_of(view, context(zone))
    assert len(zone.asked) == asked


async def test_a_dead_server_matters_only_without_another_name_that_is_confirmed() -> None:
    dead = f"{PTR} PTR dead.example.\ndead.example SERVFAIL\n"
    with pytest.raises(Temporary):
        await peer_names_of(a_view(), context(Zone(dead)))
    names = await peer_names_of(a_view(), context(Zone(f"{dead}{PTR} PTR a.example.\na.example A 192.0.2.1")))
    assert names.confirmed == ("a.example",)
