"""A message as filters see it: its content and its envelope."""

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
    """A message with its envelope. No attribute raises.

    `unknown` names the parts of the envelope (`sender`, `recipients`, `helo`) that are not known, and not judged.
    """

    def __init__(self, mail: Mail, unknown: frozenset[str] = frozenset()) -> None:
        super().__init__(mail.raw)
        self.unknown = unknown
        self.envelope: Envelope = mail.envelope
        self.reports: dict[str, Report] = {}  # by name, of the filters whose report is the same for every domain
        self._cache: dict[str, Any] = {}
        self._in_progress: SingleFlight[str, Any] = SingleFlight()

    def cached(self, key: str, compute: Callable[[], T]) -> T:
        """Compute a fact of one filter once, and keep it for the other domains of the same message."""
        if key not in self._cache:
            self._cache[key] = compute()
        return self._cache[key]  # type: ignore[no-any-return]

    def cached_value(self, key: str) -> Any:
        """Return what is cached under `key`; None if nothing is."""
        return self._cache.get(key)

    async def fetch_once(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        """Like `cached`, for questions outside the process: asked once, however many filters wait for the answer."""

        async def fetch() -> T:
            self._cache[key] = answer = await work()
            return answer

        if key in self._cache:
            return self._cache[key]  # type: ignore[no-any-return]
        return await self._in_progress.of(key, fetch)  # type: ignore[no-any-return]

    @lazy_property
    def is_submitted(self) -> bool:
        """Whether an authenticated client or an API handed it in: rules for servers do not concern clients."""
        return self.envelope.peer.account is not None or self.envelope.listener in _SUBMITTED

    @lazy_property
    def peer(self) -> Ip | None:
        """The address of the server that handed it in; None if it was submitted, or the address is unknown."""
        return None if self.is_submitted else parsed(self.envelope.peer.address)

    @lazy_property
    def sender(self) -> str:
        """The envelope sender in lower case, empty for the null sender."""
        return self.envelope.mail_from.lower()
