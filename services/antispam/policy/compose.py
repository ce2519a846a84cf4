"""Composition of the policy slice: the stores of what administrators decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from services.antispam.policy.mongo_lists import MongoLists
from services.antispam.policy.mongo_policies import MongoPolicies
from services.antispam.policy.mongo_rulebooks import MongoRulebooks
from services.antispam.policy.mongo_rules import MongoRules


@dataclass(frozen=True, slots=True)
class PolicySlice:
    """The stores by what they hold; `rulebooks` reads the other three together."""

    policies: MongoPolicies
    lists: MongoLists
    rules: MongoRules
    rulebooks: MongoRulebooks


async def open_policy(database: Any) -> PolicySlice:
    """Create the indexes. Raises `Temporary` when MongoDB does not answer."""
    made = PolicySlice(
        policies=MongoPolicies(database),
        lists=MongoLists(database),
        rules=MongoRules(database),
        rulebooks=MongoRulebooks(database),
    )
    await made.lists.prepare()
    await made.rules.prepare()
    return made
