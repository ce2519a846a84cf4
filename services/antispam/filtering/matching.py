"""Matches pattern rules against a message: each area is searched once, however many rules and domains there are."""

from __future__ import annotations

from collections.abc import Sequence

from services.antispam.message.mail_view import MailView
from services.antispam.policy.rulebook import P, PatternRuleSet
from services.antispam.policy.rules import Area

AREA_LIMIT = 64 * 1024  # characters: RE2 takes linear time, and this bounds it


def matching_rules(mail: MailView, scope: str, kind: str, rules: PatternRuleSet[P]) -> Sequence[str]:
    """Return the names of the rules that match. `kind` and `scope` tell the rulebooks of one message apart."""
    if not rules.by_area:
        return ()
    return mail.cached(f"{kind} of {scope}", lambda: _matching_rules(mail, rules))


def _matching_rules(mail: MailView, rules: PatternRuleSet[P]) -> list[str]:
    found = []
    for area, (names, patterns) in rules.by_area.items():
        found += [names[index] for index in patterns.matches(_text(mail, area))]
    return found


def _text(mail: MailView, area: Area) -> str:
    match area:
        case "subject":
            return mail.subject[:AREA_LIMIT]
        case "headers":
            return mail.header_lines[:AREA_LIMIT]
        case "body":
            return mail.text[:AREA_LIMIT]
