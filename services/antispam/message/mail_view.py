"""What filters may know of a message: its content, and how it came."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from libs.dns import SingleFlight
from libs.envelope import Envelope, Mail
from libs.network import Ip, parsed
from services.antispam.message.content import MessageContent
from services.antispam.message.lazy_property import lazy_property
from services.antispam.message.report import Report

T = TypeVar("T")

_SUBMITTED = frozenset({"submission", "submissions", "http", "internal"})


class MailView(MessageContent):
    """A message with its envelope. Nothing here raises either.

    `unknown` names parts of the envelope that nobody told (`sender`, `recipients`, `helo`): they are not judged.
    """

    def __init__(self, mail: Mail, unknown: frozenset[str] = frozenset()) -> None:
        super().__init__(mail.raw)
        self.unknown = unknown
        self.envelope: Envelope = mail.envelope
        self.reports: dict[str, Report] = {}  # of the filters that say the same for every domain, by name
        self._cache: dict[str, Any] = {}
        self._in_progress: SingleFlight[str, Any] = SingleFlight()

    def cached(self, key: str, compute: Callable[[], T]) -> T:
        """A fact that only one filter knows to work out, kept for the other domains of the same message."""
        if key not in self._cache:
            self._cache[key] = compute()
        return self._cache[key]  # type: ignore[no-any-return]

    def cached_value(self, key: str) -> Any:
        """What was kept or asked under `key`; None if it was not."""
        return self._cache.get(key)

    async def fetch_once(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        """As `cached`, for what is asked outside the process: once, however many filters want to know."""

        async def fetch() -> T:
            self._cache[key] = answer = await work()
            return answer

        if key in self._cache:
            return self._cache[key]  # type: ignore[no-any-return]
        return await self._in_progress.of(key, fetch)  # type: ignore[no-any-return]

    @lazy_property
    def is_submitted(self) -> bool:
        """Handed in by one of ours (signed in, or by API): what is asked of servers is not asked of their client."""
        return self.envelope.peer.account is not None or self.envelope.listener in _SUBMITTED

    @lazy_property
    def peer(self) -> Ip | None:
        """Address of the server that handed it in; None when one of ours did, or it is unknown."""
        return None if self.is_submitted else parsed(self.envelope.peer.address)

    @lazy_property
    def sender(self) -> str:
        """The envelope sender in lower case, empty for the null sender."""
        return self.envelope.mail_from.lower()
