"""Reads the policy, the lists, the rules and the known images of a scope from MongoDB as one rulebook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import structlog
from pydantic import ValidationError

from libs.mongo import mongo_errors
from services.antispam.policy.lists import AddressList
from services.antispam.policy.policy import Policy
from services.antispam.policy.rulebook import PatternRuleSet, Rulebook
from services.antispam.policy.rules import AnyRule, ExceptionRule, KeywordRule, LogicRule, rule_of

log = structlog.get_logger(__name__)


class MongoRulebooks:
    """The collections `policies`, `lists`, `rules` and `images`, by scope."""

    def __init__(self, database: Any) -> None:
        self._policies = database["policies"]
        self._lists = database["lists"]
        self._rules = database["rules"]
        self._images = database["images"]

    async def load(self, scope: str) -> Rulebook:
        """Return the rulebook of a scope, an empty one when nothing is stored. Raises `Temporary`."""
        with mongo_errors("rulebook"):
            policy = await self._policies.find_one({"_id": scope})
            entries = [entry async for entry in self._lists.find({"scope": scope})]
            stored = [rule async for rule in self._rules.find({"scope": scope}).sort("_id", 1)]
            images = [image["fingerprint"] async for image in self._images.find({"scope": scope})]
        rules = _readable(stored)
        return Rulebook(
            scope=scope,
            policy=_known(policy["own"]) if policy else {},
            white=_listed(entries, "white"),
            black=_listed(entries, "black"),
            keywords=PatternRuleSet(_of_kind(rules, KeywordRule)),
            exceptions=PatternRuleSet(_of_kind(rules, ExceptionRule)),
            logic=_of_kind(rules, LogicRule),
            images=frozenset(int(fingerprint, 16) for fingerprint in images),
        )


def _known(own: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave out fields of newer versions: a rolling update runs several versions at the same time."""
    return {name: value for name, value in own.items() if name in Policy.model_fields}


def _readable(stored: list[dict[str, Any]]) -> Mapping[str, AnyRule]:
    """Parse the rules; one that this version rejects is logged and skipped, since the others must stay in force."""
    rules: dict[str, AnyRule] = {}
    for document in stored:
        try:
            rules[document["_id"]] = rule_of(document["rule"])
        except ValidationError as error:
            log.error("rule_skipped", rule=document["_id"], scope=document["scope"], reason=str(error)[:300])
    return rules


def _listed(entries: list[dict[str, Any]], colour: str) -> AddressList:
    return AddressList.of((entry["type"], entry["value"]) for entry in entries if entry["list"].endswith(colour))


def _of_kind(rules: Mapping[str, AnyRule], kind: type[Any]) -> dict[str, Any]:
    return {name: rule for name, rule in rules.items() if isinstance(rule, kind)}
