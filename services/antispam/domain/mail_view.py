"""What filters may know of a message: its content, and how it came."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, TypeVar

from libs.dns import Joining
from libs.envelope import Envelope, Mail
from services.antispam.domain.content import Content
from services.antispam.domain.once import once
from services.antispam.domain.report import Report

T = TypeVar("T")
Ip = IPv4Address | IPv6Address

_SUBMITTED = frozenset({"submission", "submissions", "http", "internal"})
_MAPPED = IPv6Network("::ffff:0:0/96")


class MailView(Content):
    """A message with its envelope. Nothing here raises either."""

    def __init__(self, mail: Mail) -> None:
        super().__init__(mail.raw)
        self.envelope: Envelope = mail.envelope
        self.reports: dict[str, Report] = {}  # of the filters that say the same for every domain, by name
        self._kept: dict[str, Any] = {}
        self._asking: Joining[str, Any] = Joining()

    def keep(self, key: str, compute: Callable[[], T]) -> T:
        """A fact that only one filter knows to work out, kept for the other domains of the same message."""
        if key not in self._kept:
            self._kept[key] = compute()
        return self._kept[key]  # type: ignore[no-any-return]

    def known(self, key: str) -> Any:
        """What was kept or asked under `key`; None if it was not."""
        return self._kept.get(key)

    async def ask(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        """As `keep`, for what is asked outside the process: once, however many filters want to know."""

        async def once() -> T:
            self._kept[key] = answer = await work()
            return answer

        if key in self._kept:
            return self._kept[key]  # type: ignore[no-any-return]
        return await self._asking.of(key, once)  # type: ignore[no-any-return]

    @once
    def is_submitted(self) -> bool:
        """Handed in by one of ours (signed in, or by API): what is asked of servers is not asked of their client."""
        return self.envelope.peer.account is not None or self.envelope.listener in _SUBMITTED

    @once
    def peer(self) -> Ip | None:
        """Address of the server that handed it in; None when one of ours did, or it is unknown."""
        return None if self.is_submitted else parsed_ip(self.envelope.peer.address)

    @once
    def sender(self) -> str:
        """The envelope sender in lower case, empty for the null sender."""
        return self.envelope.mail_from.lower()


@lru_cache(maxsize=4096)  # the same peers come again and again
def parsed_ip(text: str) -> Ip | None:
    """An IP address, an IPv4 one also when it is mapped into IPv6 (RFC 4291 2.5.5.2); None if it is none."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address in _MAPPED:
        return address.ipv4_mapped
    return address
