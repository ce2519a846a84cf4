"""What a service is: an HTTP API, handlers of queues, handlers of events, work in the background."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Generic, Protocol, TypeVar

from fastapi import APIRouter

from libs.bus import Event
from libs.bus.subscribers import group_queue
from libs.envelope import Mail
from libs.events import Fact
from libs.http import About, Check
from libs.http.application import DEFAULT_BODY_LIMIT_BYTES
from libs.runtime.periodic import Loop, Periodic
from libs.runtime.shared import Shared
from libs.settings import ServiceSettings
from libs.telemetry import Metrics

F = TypeVar("F", bound=Fact)


@dataclass(frozen=True, slots=True)
class Route:
    """The queue that a handler sends a message to next."""

    queue: str
    mail: Mail


@dataclass(frozen=True, slots=True)
class QueueHandler:
    """A row of a handler table: messages of `queue` go to `handle`, at most `prefetch` at a time.

    Without `needs_raw` the bytes of a large message stay in the blob store. With `keeps_blob` they are held under the
    name of the queue beyond the delivery, and the service releases them itself.
    """

    queue: str
    handle: Callable[[Mail], Awaitable[Iterable[Route]]]
    needs_raw: bool = True
    keeps_blob: bool = False
    prefetch: int = 50


@dataclass(frozen=True)  # no slots: `EventHandler[A | B](...)` sets an attribute of `typing`
class EventHandler(Generic[F]):
    """A row of a subscription table: events of one class, or of several, go to `handle` as objects. `handle` may be a
    coroutine function, or a plain function where there is nothing to wait for.

    With `group`, the subscription is durable and each event reaches one process of the group; without, the event is
    broadcast to every process. `group` is the service, `name` the row in it. Both name its queue, so they stay when
    `kinds` change; the events of a row that is removed go to the rows that subscribe to the same ones.
    """

    kinds: type[F] | tuple[type[F], ...]
    handle: Callable[[F], Awaitable[None] | None]
    group: str | None = None
    name: str = ""

    def __post_init__(self) -> None:
        if bool(self.group) != bool(self.name):
            raise ValueError(f"{self.names}: a durable row has a group and a name, a broadcast neither")

    async def dispatch(self, event: Event) -> None:
        """Decode `event` and handle it. Raises `Unreadable` when its payload is not that of its class."""
        kind = next(kind for kind in self._kinds if kind.__name__ == event.name)
        if (work := self.handle(kind.from_bus(event))) is not None:
            await work

    @property
    def names(self) -> list[str]:
        """The names of the events on the bus."""
        return [kind.__name__ for kind in self._kinds]

    @property
    def _kinds(self) -> tuple[type[F], ...]:
        return self.kinds if isinstance(self.kinds, tuple) else (self.kinds,)

    @property
    def subscription(self) -> str | None:
        """A row has a queue of its own, so that no other row of the service takes its events."""
        return f"{self.group}.{self.name}" if self.group else None

    @property
    def former_subscription(self) -> str:
        """What versions before 2026-12 called it, after its events. Its queue is emptied into that of today."""
        return f"{self.group}.{'-'.join(self.names)}"


class ServiceListener(Protocol):
    """A socket of its own besides HTTP (SMTP, IMAP ...)."""

    async def start(self) -> None:
        """Bind and serve; raises `OSError` when it cannot bind."""

    async def stop(self, grace: timedelta) -> None:
        """Accept nothing more, let the sessions end within `grace`, then close them."""


@dataclass(frozen=True, slots=True)
class Service:
    """What `build` of a service's `app.py` yields; the runner does the rest.

    `public` is the path below which its routes are open to the world, empty for none. `checks` are shown and counted,
    and decide nothing. `needs` are the neighbours without which it takes no mail at its start, for a bounded time.
    """

    name: str
    settings: ServiceSettings
    metrics: Metrics
    routers: Sequence[APIRouter]
    checks: Mapping[str, Check] = field(default_factory=dict)
    needs: Sequence[str] = ()
    queue_handlers: Sequence[QueueHandler] = ()
    event_handlers: Sequence[EventHandler[Any]] = ()
    listeners: Sequence[ServiceListener] = ()
    background: Sequence[Periodic | Loop] = ()
    body_limit_bytes: int = DEFAULT_BODY_LIMIT_BYTES
    public: str = ""
    about: About = field(default_factory=About)

    @property
    def queues(self) -> tuple[str, ...]:
        """The names of all queues that it consumes: those of messages, and those of durable event handlers."""
        groups = (row.subscription for row in self.event_handlers)
        return (*(row.queue for row in self.queue_handlers), *(group_queue(group) for group in groups if group))


class ServiceModule(Protocol):
    """The face of `services/<name>/app.py`."""

    NAME: str
    Settings: type[Any]

    def build(self, settings: Any, shared: Shared) -> AbstractAsyncContextManager[Service]:
        """The composition root: opens the adapters, yields the service, closes them."""
