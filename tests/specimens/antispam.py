"""Builders for antispam: a message as filters see it, and what they may know besides."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network
from typing import Any

from libs.envelope import Envelope, Mail, Peer
from services.antispam.filtering.context import FilterContext, FilterEnvironment, LookupSettings
from services.antispam.learning.model import ModelCache
from services.antispam.learning.statistics import BayesStatistics
from services.antispam.message.mail_view import MailView
from services.antispam.policy.lists import AddressList, entry_of
from services.antispam.policy.policy import DEFAULT_POLICY, Policy
from services.antispam.policy.rulebook import PatternRuleSet, Rulebook
from services.antispam.policy.rules import AnyRule, ExceptionRule, KeywordRule, LogicRule
from services.antispam.reputation.blacklisted_peers import BlacklistedPeerTable
from services.antispam.reputation.complaints import ComplaintThresholds, ReportedSubjects
from services.antispam.reputation.correspondents import Correspondent
from services.antispam.reputation.mass_mailings import MassMailingCounter
from tests import builders
from tests.servers.zone import Zone

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
TEXT = "Dear Marie,\r\nhere are the minutes of our meeting of Tuesday, with the list of what is left to do.\r\n"
HEADERS = {
    "From": "Jean Toto <jean@elsewhere.example>",
    "To": "Marie <marie@example.org>",
    "Subject": "the minutes of the meeting",
    "Date": "Thu, 01 Jan 2026 11:00:00 +0000",
    "Message-ID": "<1@elsewhere.example>",
}


def a_message(text: str | bytes = TEXT, *more: str, without: Collection[str] = (), **headers: str) -> bytes:
    """Raw octets. Keywords replace headers (`message_id` is Message-ID), `more` are whole header lines on top."""
    named = {**HEADERS, **{name.replace("_", "-").title(): value for name, value in headers.items()}}
    if "Message-Id" in named:
        named["Message-ID"] = named.pop("Message-Id")
    lines = [*more, *(f"{name}: {value}" for name, value in named.items() if name not in without)]
    body = text if isinstance(text, bytes) else text.encode()
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def html(source: str, **headers: str) -> bytes:
    """A message of HTML alone."""
    return a_message(source, content_type="text/html; charset=utf-8", mime_version="1.0", **headers)


def multipart(*parts: str, subtype: str = "alternative", **headers: str) -> bytes:
    """Parts are whole: their headers, a blank line, their text."""
    inside = "".join(f"--b\r\n{part}\r\n" for part in parts) + "--b--\r\n"
    return a_message(inside, content_type=f"multipart/{subtype}; boundary=b", mime_version="1.0", **headers)


def an_envelope(size_bytes: int = 0, **fields: Any) -> Envelope:
    """From a stranger at 192.0.2.1 to marie@example.org."""
    usual = {
        "id": "0" * 32,
        "peer": Peer(address="192.0.2.1", helo="mx.elsewhere.example"),
        "mail_from": "jean@elsewhere.example",
        "size_bytes": size_bytes,
        "sha256": "",
    }
    return builders.an_envelope(builders.a_recipient(), **{**usual, **fields})


def a_view(raw: bytes | None = None, /, **fields: Any) -> MailView:
    """Keywords are fields of the envelope."""
    raw = a_message() if raw is None else raw
    return MailView(Mail(an_envelope(len(raw), **fields), raw))


def a_rulebook(
    scope: str = "default",
    *,
    white: tuple[str, ...] = (),
    black: tuple[str, ...] = (),
    rules: Mapping[str, AnyRule] | None = None,
    policy: dict[str, object] | None = None,
) -> Rulebook:
    rules = rules or {}
    return Rulebook(
        scope,
        policy=policy or {},
        white=AddressList.of(map(entry_of, white)),
        black=AddressList.of(map(entry_of, black)),
        keywords=PatternRuleSet({name: rule for name, rule in rules.items() if isinstance(rule, KeywordRule)}),
        exceptions=PatternRuleSet({name: rule for name, rule in rules.items() if isinstance(rule, ExceptionRule)}),
        logic={name: rule for name, rule in rules.items() if isinstance(rule, LogicRule)},
    )


# elsewhere.example is honest, in every way; the others are not.
ZONE = """
elsewhere.example               MX   10 mx.elsewhere.example.
elsewhere.example               TXT  "v=spf1 mx ip6:2001:db8::1 -all"
mx.elsewhere.example            A    192.0.2.1
1.2.0.192.in-addr.arpa          PTR  mx.elsewhere.example.
mail.elsewhere.example          A    192.0.2.9
67.2.0.192.in-addr.arpa         PTR  mx.elsewhere.example.
forged.example                  TXT  "v=spf1 -all"
wary.example                    TXT  "v=spf1 ~all"
vague.example                   TXT  "v=spf1 ?all"
wrong.example                   TXT  "v=spf1 ip4:elsewhere -all"
without-mx.example              A    192.0.2.1
deaf.example                    MX   0 .
deaf.example                    A    192.0.2.1
66.2.0.192.one.bl.example       A    127.0.0.2
66.2.0.192.two.bl.example       A    192.0.2.80
67.2.0.192.two.bl.example       A    192.0.2.80
6.6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.one.bl.example A 127.0.0.4
68.2.0.192.one.bl.example       A    127.255.255.254
69.2.0.192.one.bl.example       SERVFAIL
pills.example.one.bl.example    A    127.0.1.2
casino.co.uk.two.bl.example     A    127.0.0.4
silent.example                  TIMEOUT
"""


def an_environment(models: ModelCache | None = None, *, least: int = 50, zone: Zone | None = None) -> FilterEnvironment:
    """Our name is mx.example.org, 127/8 is ours; nothing was seen, and nothing learned but `models`; DNS is `zone`,
    with two lists of addresses and domains."""
    return FilterEnvironment(
        own_names=frozenset({"mx.example.org"}),
        trusted_networks=(IPv4Network("127.0.0.0/8"),),
        peers=BlacklistedPeerTable(capacity=100),
        mass_mailings=MassMailingCounter(threshold=3, window=timedelta(minutes=10), capacity=100),
        statistics=BayesStatistics(models or ModelCache(always="default", capacity=1000), min_messages=least),
        dns=zone or Zone(ZONE),
        lookups=LookupSettings(dnsbl=("one.bl.example", "two.bl.example"), uribl=("one.bl.example", "two.bl.example")),
        correspondents=Friends(),
        complaints=ReportedSubjects(ComplaintThresholds(peer=2, sender=2, domain=2)),
    )


class Friends:
    """The automatic whitelist: whom example.org knows."""

    known: Mapping[str, Correspondent] = {
        "validated@elsewhere.example": Correspondent(validated=True, times=0),
        "once@elsewhere.example": Correspondent(validated=False, times=1),
        "boss@example.org": Correspondent(validated=False, times=9),
    }

    async def find(self, domain: str, address: str) -> Correspondent | None:
        return self.known.get(address) if domain == "example.org" else None


def a_context(
    *books: Rulebook, policy: Policy = DEFAULT_POLICY, environment: FilterEnvironment | None = None
) -> FilterContext:
    return FilterContext("example.org", policy, books or (a_rulebook(),), environment or an_environment(), NOW)
