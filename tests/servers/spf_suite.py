"""The openspf test suite for RFC 7208 as cases with their zones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import yaml
from dns.rdtypes.ANY.TXT import TXT

from tests.servers.zone import Zone

SUITE = Path(__file__).parents[1] / "specimens" / "rfc7208-spf-tests.yml"


@dataclass(frozen=True)
class Case:
    """One test: `results` are those that the RFC allows; `explanation` is None where none is asked for."""

    name: str
    zone: Zone
    ip: str
    sender: str
    helo: str
    results: Sequence[str]
    explanation: str | None


def cases() -> Iterator[Case]:
    """All 203, the RFC's own preference first where it allows several results."""
    for scenario in yaml.load_all(SUITE.read_text(), Loader=yaml.CSafeLoader):
        zone = zone_of(scenario["zonedata"])
        for name, test in scenario["tests"].items():
            results = test["result"] if isinstance(test["result"], list) else [test["result"]]
            explanation = test.get("explanation")
            yield Case(name, zone, test["host"], test["mailfrom"], test["helo"], results, explanation)


def zone_of(names: Mapping[str, Sequence[Any]]) -> Zone:
    """A record of type SPF stands for a TXT record, unless the name has TXT records of its own (TXT: NONE is none)."""
    zone = Zone()
    for name, records in names.items():
        has_txt = any(isinstance(record, dict) and "TXT" in record for record in records)
        for record in records:
            if record == "TIMEOUT":
                zone.fail(name, "TIMEOUT")
                continue
            ((kind, value),) = record.items()
            if value == "NONE" or (kind == "SPF" and has_txt):
                continue
            zone.add(name, *_record(kind, value))
    return zone


def _record(kind: str, value: Any) -> tuple[str, dns.rdata.Rdata]:
    match kind:
        case "SPF" | "TXT":
            texts = value if isinstance(value, list) else [value]
            strings = [piece for text in texts for piece in _pieces(text.encode("latin-1"))] or [b""]
            return "TXT", TXT(dns.rdataclass.IN, dns.rdatatype.TXT, strings)
        case "MX":
            preference, exchange = value
            return "MX", _parsed("MX", f"{preference} {exchange.removesuffix('.')}.")
        case "A" | "AAAA":
            return kind, _parsed(kind, str(ip_address(value)))
        case _:
            return kind, _parsed(kind, f"{value.removesuffix('.')}.")


def _pieces(text: bytes) -> list[bytes]:
    return [text[at : at + 255] for at in range(0, len(text), 255)]


def _parsed(kind: str, text: str) -> dns.rdata.Rdata:
    return dns.rdata.from_text("IN", kind, text, origin=dns.name.root, relativize=False)
