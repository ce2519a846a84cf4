"""Routes read from MongoDB, many in one query."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from libs.mongo import mongo_errors
from services.router.domain.resolution import AddressRoute
from services.router.ports import DomainRoutes


class MongoRoutes:
    """See `ports.RouteTable`."""

    def __init__(self, database: Any) -> None:
        self._domains = database["domains"]
        self._addresses = database["addresses"]

    async def domains(self, names: Collection[str]) -> Mapping[str, DomainRoutes]:
        with mongo_errors("read domains"):
            found = {item["_id"]: item async for item in self._domains.find({"_id": {"$in": list(names)}})}
            if "" in names and (oldest := await self._oldest()):
                found[""] = oldest
            aliased = [item["alias_of"] for item in found.values() if item["alias_of"]]
            main = {item["_id"]: item async for item in self._domains.find({"_id": {"$in": aliased}})}
            return {
                name: await self._routes_of(main.get(item["alias_of"], item))
                for name, item in found.items()
                if item["alias_of"] is None or item["alias_of"] in main
            }

    async def _oldest(self) -> Any:
        return await self._domains.find_one({"alias_of": None}, sort=[("created_at", 1), ("_id", 1)])

    async def _routes_of(self, domain: Mapping[str, Any]) -> DomainRoutes:
        first = await self._addresses.find_one(
            {"domain": domain["_id"], "kind": "account"}, {"_id": 1}, sort=[("created_at", 1), ("_id", 1)]
        )
        return DomainRoutes(
            name=domain["_id"],
            catch_all=domain["catch_all"],
            postmaster=domain["postmaster"],
            first_account=first["_id"] if first else None,
        )

    async def routes(self, addresses: Collection[str]) -> Mapping[str, AddressRoute]:
        with mongo_errors("read routes"):
            found = self._addresses.find(
                {"_id": {"$in": list(addresses)}}, {"kind": 1, "keep_copy": 1, "targets": 1, "replications": 1}
            )
            return {item["_id"]: _route(item) async for item in found}


def _route(item: Mapping[str, Any]) -> AddressRoute:
    return AddressRoute(
        address=item["_id"],
        kind=item["kind"],
        keeps_copy=item["kind"] == "account" and item["keep_copy"],
        targets=tuple(item["targets"]),
        replications=tuple(item["replications"]),
    )
