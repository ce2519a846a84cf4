"""check_host() of RFC 7208 4: one evaluation with its limits."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from ipaddress import IPv4Address, ip_network
from typing import TypeVar, cast

from libs.authentication.spf.macros import DomainSpec, asks_for_peer_name, check_macros, expanded
from libs.authentication.spf.record import Directive, SpfRecord, parse, select
from libs.authentication.spf.results import PermError, SpfCheck, SpfResult
from libs.dns import DnsAnswer, Ip, Resolver
from libs.envelope import Temporary

R = TypeVar("R")

# RFC 7208 4.6.4
_LOOKUPS = 10
_VOID_LOOKUPS = 2
_NAMES = 10
LONGEST = timedelta(seconds=19)


@dataclass(frozen=True, slots=True)
class SpfSession:
    """The arguments of check_host() besides the domain; the local part of `sender` may be postmaster (RFC 7208 4.3)."""

    ip: Ip
    sender: str
    helo: str
    receiver: str
    now: datetime


async def check_host(domain: str, session: SpfSession, resolver: Resolver, *, longest: timedelta = LONGEST) -> SpfCheck:
    """Evaluate the record of `domain`. Never raises for DNS or a record; a timeout is a temperror (RFC 7208 4.6.4)."""
    if not _is_full_name(domain):
        return SpfCheck(SpfResult.NONE, domain, "not a fully qualified domain name")  # RFC 7208 4.3
    try:
        async with asyncio.timeout(longest.total_seconds()):
            return replace(await SpfEvaluation(session, resolver).check(domain), domain=domain)
    except TimeoutError:
        return SpfCheck(SpfResult.TEMPERROR, domain, f"not done within {longest}")
    except Temporary as error:
        return SpfCheck(SpfResult.TEMPERROR, domain, error.reason)
    except PermError as error:
        return SpfCheck(SpfResult.PERMERROR, domain, str(error))


def _is_full_name(domain: str) -> bool:
    labels = domain.removesuffix(".").split(".")
    return len(labels) > 1 and not domain.startswith("[") and all(0 < len(label) < 64 for label in labels)


class SpfEvaluation:
    """One evaluation. It counts its look-ups, however the records include each other."""

    def __init__(self, session: SpfSession, resolver: Resolver) -> None:
        self._session = session
        self._resolver = resolver
        self._lookups = _LOOKUPS
        self._voids = _VOID_LOOKUPS
        self._is_v4 = isinstance(session.ip, IPv4Address)

    async def check(self, domain: str, *, explain: bool = True) -> SpfCheck:
        """Raises `Temporary` and `PermError`."""
        text = select((await self._resolver.txt(domain)).records)  # RFC 7208 4.4, RFC 7208 4.5
        if text is None:
            return SpfCheck(SpfResult.NONE, reason="no SPF record")
        record = parse(text)
        for directive in record.directives:  # RFC 7208 4.6.2: the first that matches
            if await self._matches(directive, domain):
                explanation = ""
                if directive.result is SpfResult.FAIL and explain and record.exp is not None:
                    explanation = await self._explanation(record.exp, domain)
                return SpfCheck(directive.result, reason=directive.text, explanation=explanation)
        return await self._redirected(record, domain, explain=explain)

    async def _redirected(self, record: SpfRecord, domain: str, *, explain: bool) -> SpfCheck:
        if record.redirect is None:
            return SpfCheck(SpfResult.NEUTRAL, reason="no directive matches")  # RFC 7208 4.7
        self._count_lookup()
        target = await self._name(record.redirect, domain)
        found = await self.check(target, explain=explain)
        if found.result is SpfResult.NONE:
            raise PermError(f"redirect to {target}, which has no record")  # RFC 7208 6.1
        return found

    async def _matches(self, directive: Directive, domain: str) -> bool:
        match directive.mechanism:
            case "all":
                return True
            case "ip4" | "ip6":
                return directive.network is not None and self._session.ip in directive.network
        self._count_lookup()
        target = await self._name(directive.target, domain) if directive.target else domain
        match directive.mechanism:
            case "include":
                return await self._includes(target)
            case "a":
                return self._is_in(self._count_void(await self._addresses(target)), directive)
            case "mx":
                return await self._matches_mx(target, directive)
            case "ptr":
                suffix = f".{target.lower()}"
                return any(f".{name}".endswith(suffix) for name in await self._validated_names())
            case _:  # exists, RFC 7208 5.7: an A record, whatever the peer's family
                return bool(self._count_void(await self._resolver.a(target)))

    async def _includes(self, target: str) -> bool:
        """RFC 7208 5.2: include matches on pass; the table there has the other results."""
        found = await self.check(target, explain=False)
        if found.result is SpfResult.NONE:
            raise PermError(f"include of {target}, which has no record")
        return found.result is SpfResult.PASS

    async def _matches_mx(self, target: str, directive: Directive) -> bool:
        """RFC 7208 5.4: all exchangers are looked up at once; the first in order that matches or fails decides."""
        exchangers = self._count_void(await self._resolver.mx(target)).records
        if len(exchangers) > _NAMES:
            raise PermError(f"{target} has {len(exchangers)} MX")  # RFC 7208 4.6.4
        names = [mx.exchange for mx in exchangers if mx.exchange]
        answers = await asyncio.gather(*map(self._addresses, names), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
            if self._is_in(self._count_void(answer), directive):
                return True
        return False

    async def _validated_names(self) -> Sequence[str]:
        """RFC 7208 5.5: the names of the peer that resolve to its address; a name whose look-up fails is left out."""
        try:
            # RFC 7208 4.6.4: names beyond the limit are ignored.
            names = (await self._resolver.ptr(self._session.ip)).records[:_NAMES]
        except Temporary:
            return ()
        answers = await asyncio.gather(*map(self._addresses, names), return_exceptions=True)
        valid = []
        for name, answer in zip(names, answers, strict=True):
            if isinstance(answer, DnsAnswer):
                if self._session.ip in answer.records:
                    valid.append(name.lower())
            elif not isinstance(answer, Temporary):
                raise answer
        return valid

    async def _addresses(self, name: str) -> DnsAnswer[Ip]:
        asked = self._resolver.a(name) if self._is_v4 else self._resolver.aaaa(name)
        return cast(DnsAnswer[Ip], await asked)

    def _is_in(self, answer: DnsAnswer[Ip], directive: Directive) -> bool:
        length = directive.length4 if self._is_v4 else directive.length6
        return any(self._session.ip in ip_network((address, length), strict=False) for address in answer.records)

    def _count_lookup(self) -> None:
        self._lookups -= 1
        if self._lookups < 0:
            raise PermError(f"more than {_LOOKUPS} look-ups")  # RFC 7208 4.6.4

    def _count_void(self, answer: DnsAnswer[R]) -> DnsAnswer[R]:
        """Count void look-ups: the domain owner chooses names without records (RFC 7208 4.6.4, RFC 7208 11.1)."""
        if not answer:
            self._voids -= 1
            if self._voids < 0:
                raise PermError(f"more than {_VOID_LOOKUPS} void look-ups")
        return answer

    async def _explanation(self, exp: DomainSpec, domain: str) -> str:
        """RFC 7208 6.2: on any error the default explanation is used, which is empty here."""
        try:
            texts = (await self._resolver.txt(await self._name(exp, domain))).records
            if len(texts) != 1:
                return ""
            text = texts[0].decode("ascii")
            check_macros(text, explaining=True)
            return expanded(text, await self._values(text, domain))
        except (Temporary, PermError, UnicodeDecodeError):
            return ""

    async def _name(self, spec: DomainSpec, domain: str) -> str:
        if "%" not in spec.text:
            return spec.text.removesuffix(".")
        return spec.expanded(await self._values(spec.text, domain))

    async def _values(self, text: str, domain: str) -> Mapping[str, str]:
        """RFC 7208 7.2: the value of each macro letter."""
        session = self._session
        local, _, sender_domain = session.sender.rpartition("@")
        nibbles = session.ip.reverse_pointer.removesuffix(".ip6.arpa").split(".")
        return {
            "s": session.sender,
            "l": local,
            "o": sender_domain,
            "d": domain,
            "i": str(session.ip) if self._is_v4 else ".".join(reversed(nibbles)).upper(),
            "p": await self._peer_name(domain) if asks_for_peer_name(text) else "",
            "v": "in-addr" if self._is_v4 else "ip6",
            "h": session.helo,
            "c": str(session.ip),
            "r": session.receiver,
            "t": str(int(session.now.timestamp())),
        }

    async def _peer_name(self, domain: str) -> str:
        """RFC 7208 7.2, macro p: the domain itself, else one below it, else any; "unknown" without a validated name."""
        names = await self._validated_names()
        domain = domain.lower()
        return min(names, key=lambda name: (name != domain, not name.endswith(f".{domain}")), default="unknown")
