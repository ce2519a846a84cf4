"""DNS for tests: a small zone file, as the port `Resolver` in memory and as a server of its own on loopback.

A line is `NAME TYPE DATA` (CNAME as well), or `NAME FAULT` with SERVFAIL, TIMEOUT (no answer), REFUSED or GARBAGE.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from ipaddress import IPv4Address, IPv6Address
from socketserver import BaseRequestHandler, ThreadingTCPServer, ThreadingUDPServer
from typing import Any

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from libs.dns import AnswerKind, DnsAnswer, Ip, Mx, reverse_name
from libs.dns.wire import name_of, record_of
from libs.envelope import Temporary

FAULTS = ("SERVFAIL", "TIMEOUT", "REFUSED", "GARBAGE")


class Zone:
    """Every name that DNS has."""

    def __init__(self, text: str = "") -> None:
        self.asked: list[tuple[str, str]] = []
        self._records: dict[dns.name.Name, dict[str, list[dns.rdata.Rdata]]] = defaultdict(dict)
        self._faults: dict[dns.name.Name, str] = {}
        for line in filter(None, map(str.strip, text.splitlines())):
            name, kind, data = (*line.split(None, 2), "")[:3]
            if kind in FAULTS:
                self.fail(name, kind)
            else:
                self.add(name, kind, dns.rdata.from_text("IN", kind, data, origin=dns.name.root, relativize=False))

    def add(self, name: str, kind: str, record: dns.rdata.Rdata) -> None:
        self._records[name_of(name) or dns.name.root].setdefault(kind, []).append(record)

    def fail(self, name: str, fault: str) -> None:
        self._faults[name_of(name) or dns.name.root] = fault

    def hasten(self) -> None:
        """Silence becomes SERVFAIL, so that nobody has to wait for it."""
        self._faults = {name: "SERVFAIL" if fault == "TIMEOUT" else fault for name, fault in self._faults.items()}

    def fault(self, name: dns.name.Name, kind: str) -> str | None:
        """What goes wrong there; types of which the name has records are told all the same."""
        return None if kind in self._records.get(name, {}) else self._faults.get(name)

    def find(self, name: dns.name.Name, kind: str) -> tuple[list[dns.rrset.RRset], bool]:
        """CNAMEs and what they lead to; whether the last name exists (RFC 8020: also as a part of others)."""
        found: list[dns.rrset.RRset] = []
        while len(found) < 8 and (alias := self._records.get(name, {}).get("CNAME")):
            found.append(dns.rrset.from_rdata_list(name, 300, alias))
            name = alias[0].target  # type: ignore[attr-defined]
        if records := self._records.get(name, {}).get(kind):
            found.append(dns.rrset.from_rdata_list(name, 300, records))
        return found, any(other.is_subdomain(name) for other in self._records)

    async def a(self, name: str) -> DnsAnswer[IPv4Address]:
        return self._answer(name, AnswerKind.A)

    async def aaaa(self, name: str) -> DnsAnswer[IPv6Address]:
        return self._answer(name, AnswerKind.AAAA)

    async def mx(self, name: str) -> DnsAnswer[Mx]:
        return self._answer(name, AnswerKind.MX)

    async def txt(self, name: str) -> DnsAnswer[bytes]:
        return self._answer(name, AnswerKind.TXT)

    async def ptr(self, address: Ip) -> DnsAnswer[str]:
        return self._answer(reverse_name(address), AnswerKind.PTR)

    def _answer(self, text: str, kind: AnswerKind) -> DnsAnswer[Any]:
        name = name_of(text)
        if name is None:
            return DnsAnswer((), exists=False)
        self.asked.append((text.lower(), kind.value))
        if fault := self.fault(name, kind.value):
            raise Temporary(f"DNS {kind.value} {text}: {fault}")
        found, exists = self.find(name, kind.value)
        if not found or found[-1].rdtype != dns.rdatatype.from_text(kind.value):
            return DnsAnswer((), exists=exists)
        records = tuple(record_of(record, kind) for record in found[-1])
        return DnsAnswer(tuple(sorted(records)) if kind is AnswerKind.MX else records)


class ZoneServer:
    """Serves `zone`, which may be replaced, over UDP and TCP; answers that do not fit a packet are truncated.

    With `together`, it answers nothing before so many different questions came.
    """

    def __init__(self, zone: Zone | None = None) -> None:
        self.zone = zone or Zone()
        self._came = threading.Condition()
        self.forget()
        # TCP chooses the port, since other programs' connections hold many of its ports and hardly any of UDP.
        self._tcp = ThreadingTCPServer(("127.0.0.1", 0), self._handler(_Tcp))
        self.port = int(self._tcp.server_address[1])
        self._udp = ThreadingUDPServer(("127.0.0.1", self.port), self._handler(_Udp))

    def forget(self) -> None:
        self.questions: list[tuple[str, str]] = []  # (name, type), as they came, over TCP and UDP
        self.over_tcp = 0
        self.together = 0

    def start(self) -> None:
        for server in (self._udp, self._tcp):
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        for server in (self._udp, self._tcp):
            server.shutdown()
            server.server_close()

    def answer(self, wire: bytes, *, limit: int) -> bytes | None:
        """`limit` octets at most, 0 for what the asker said that it takes; None for silence."""
        query = dns.message.from_wire(wire)
        question = query.question[0]
        kind = dns.rdatatype.to_text(question.rdtype)
        with self._came:
            self.questions.append((question.name.to_text(omit_final_dot=True).lower(), kind))
            self._came.notify_all()
            self._came.wait_for(lambda: len(set(self.questions)) >= self.together, timeout=30)
        response = dns.message.make_response(query, recursion_available=True)
        match self.zone.fault(question.name, kind):
            case "TIMEOUT":
                return None
            case "GARBAGE":
                return wire[:2] + b"\x81\x80" + b"\xff" * 20
            case None:
                response.answer, exists = self.zone.find(question.name, kind)
                response.set_rcode(dns.rcode.NOERROR if exists else dns.rcode.NXDOMAIN)
            case code:
                response.set_rcode(dns.rcode.from_text(code))
        try:
            return response.to_wire(max_size=limit or max(query.payload, 512))
        except dns.exception.TooBig:
            response.answer = []
            response.flags |= dns.flags.TC
            return response.to_wire()

    def _bind(self) -> bool:
        """To one port; False when the one that UDP got is taken for TCP."""
        self._udp = ThreadingUDPServer(("127.0.0.1", 0), self._handler(_Udp))
        self.port = int(self._udp.server_address[1])
        try:
            self._tcp = ThreadingTCPServer(("127.0.0.1", self.port), self._handler(_Tcp))
        except OSError:
            self._udp.server_close()
            return False
        return True

    def _handler(self, kind: type[_Handler]) -> type[BaseRequestHandler]:
        return type(kind.__name__, (kind,), {"zone_server": self})


class _Handler(BaseRequestHandler):
    zone_server: ZoneServer


class _Udp(_Handler):
    def handle(self) -> None:
        wire, socket = self.request
        if answer := self.zone_server.answer(wire, limit=0):
            socket.sendto(answer, self.client_address)


class _Tcp(_Handler):
    def handle(self) -> None:
        length = int.from_bytes(self.request.recv(2), "big")
        wire = b""
        while len(wire) < length and (more := self.request.recv(length - len(wire))):
            wire += more
        self.zone_server.over_tcp += 1
        if answer := self.zone_server.answer(wire, limit=65535):
            self.request.sendall(len(answer).to_bytes(2, "big") + answer)
