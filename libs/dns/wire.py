"""One question to one server: UDP, TCP when the answer was truncated (RFC 7766 5)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import dns.asyncquery
import dns.exception
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from libs.dns.answers import AnswerKind, DnsAnswer, Mx

# What fits into one packet on every path (dnsflagday.net/2020).
_UDP_OCTETS = 1232
_ANSWERED = frozenset({dns.rcode.NOERROR, dns.rcode.NXDOMAIN})


class Trouble(Enum):
    """Why a server gave no answer that can be used."""

    SILENT = "silent"  # no word within the time
    UNREACHABLE = "unreachable"
    REFUSED = "refused"  # SERVFAIL, REFUSED and other codes: the server lives
    MALFORMED = "malformed"


class NoDnsAnswer(Exception):
    """The server did not answer the question."""

    def __init__(self, trouble: Trouble, text: str) -> None:
        super().__init__(text)
        self.trouble = trouble


@dataclass(frozen=True, slots=True)
class NameServer:
    """The address of a recursive resolver."""

    address: str
    port: int = 53

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


def name_of(text: str) -> dns.name.Name | None:
    """None when DNS cannot hold it (RFC 1035 2.3.4): labels of 1 to 63 octets, 255 together. No escapes, no IDNA."""
    try:
        labels = [label.encode("ascii") for label in text.removesuffix(".").split(".")] if text != "." else []
        return dns.name.Name([*labels, b""])
    except (UnicodeEncodeError, dns.exception.DNSException):
        return None


async def ask(
    server: NameServer, name: dns.name.Name, kind: AnswerKind, *, seconds: float
) -> tuple[DnsAnswer[Any], float]:
    """The answer and the seconds that it holds. Raises `NoDnsAnswer`."""
    # Recursion desired; the caches of a resolver are what makes this quick.
    query = dns.message.make_query(name, kind.value, use_edns=0, payload=_UDP_OCTETS)
    try:
        # An answer from another address or to another question is a forgery: wait for the real one.
        response, _ = await dns.asyncquery.udp_with_fallback(
            query, server.address, seconds, server.port, ignore_unexpected=True, ignore_errors=True
        )
        if response.rcode() not in _ANSWERED:
            raise NoDnsAnswer(Trouble.REFUSED, dns.rcode.to_text(response.rcode()))
        return _read(response, kind)
    except dns.exception.Timeout as error:
        raise NoDnsAnswer(Trouble.SILENT, f"no answer within {seconds:.1f} s") from error
    except (OSError, EOFError) as error:
        raise NoDnsAnswer(Trouble.UNREACHABLE, str(error) or type(error).__name__) from error
    except dns.exception.DNSException as error:
        raise NoDnsAnswer(Trouble.MALFORMED, str(error)) from error


def _read(response: dns.message.Message, kind: AnswerKind) -> tuple[DnsAnswer[Any], float]:
    if not isinstance(response, dns.message.QueryMessage):
        raise NoDnsAnswer(Trouble.MALFORMED, "no answer to a query")
    chain = response.resolve_chaining()
    if chain.answer is None:
        return DnsAnswer((), exists=response.rcode() != dns.rcode.NXDOMAIN), float(chain.minimum_ttl)
    records = tuple(record_of(record, kind) for record in chain.answer)
    return DnsAnswer(tuple(sorted(records)) if kind is AnswerKind.MX else records), float(chain.minimum_ttl)


def record_of(record: Any, kind: AnswerKind) -> object:
    """Of dnspython's record of this kind."""
    match kind:
        case AnswerKind.A:
            return IPv4Address(record.address)
        case AnswerKind.AAAA:
            return IPv6Address(record.address)
        case AnswerKind.MX:
            return Mx(record.preference, _text(record.exchange))
        case AnswerKind.PTR:
            return _text(record.target)
        case AnswerKind.TXT:
            return b"".join(record.strings)


def _text(name: dns.name.Name) -> str:
    """In lower case without the final dot. Octets that are no host name stay escaped, so they match none."""
    return "" if name == dns.name.root else name.to_text(omit_final_dot=True).lower()
