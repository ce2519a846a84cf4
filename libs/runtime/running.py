"""A running service: HTTP, consumers, listeners, periodic jobs, and its shutdown."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import structlog

from libs.bus import Consumer, Event
from libs.envelope import Temporary, queues
from libs.http import Checks
from libs.neighbours import IngressClient
from libs.postmaster import Notifications
from libs.runtime.closing import ADAPTERS, LISTENER, within
from libs.runtime.dead_letter_blobs import PERIOD, keep_dead_letter_blobs
from libs.runtime.dead_letter_reports import PERIOD as REPORTS_PERIOD
from libs.runtime.dead_letter_reports import DeadLetterReports
from libs.runtime.dependencies import PERIOD as DEPENDENCIES_PERIOD
from libs.runtime.dependencies import Dependencies
from libs.runtime.failures import merge_errors
from libs.runtime.http_server import dependencies, http_server
from libs.runtime.neighbour_readiness import wait_until_ready
from libs.runtime.periodic import MustEnd, Periodic, PeriodicRunner, periodic
from libs.runtime.queue_depths import PERIOD as DEPTHS_PERIOD
from libs.runtime.queue_depths import QueueDepths
from libs.runtime.service import EventHandler, Service, ServiceListener
from libs.runtime.shared import Shared
from libs.runtime.worker import Worker
from libs.tasks import cancelled
from libs.telemetry import Metrics

log = structlog.get_logger(__name__)

T = TypeVar("T")

# Soon enough after the last consumer of an older version has gone.
GROUPS_PERIOD = timedelta(minutes=2)


class RunningService:
    """`start`, then `drain` and `stop`, which may follow a start that failed half-way."""

    def __init__(self, service: Service, shared: Shared) -> None:
        self._service = service
        self._shared = shared
        self._consumers: list[Consumer] = []
        self._listeners: list[ServiceListener] = []
        self._in_flight: set[asyncio.Task[Any]] = set()
        self._background: list[asyncio.Task[None]] = []
        # Readiness is a promise about the whole service: it is given when the last listener is up.
        self._not_ready = "the service starts"
        self._stopping = False
        self._dependencies = Dependencies(dependencies(service, shared), service.metrics)
        self._ingress = shared.client(service.settings, "ingress")
        reports = Notifications(
            IngressClient(self._ingress),
            hostname=service.settings.hostname,
            author=service.settings.notice_author,
            clock=shared.clock,
        )
        self._dead_letter_reports = (
            DeadLetterReports(reports, shared.blobs, service.metrics) if service.queue_handlers else None
        )
        self._rounds = [
            PeriodicRunner(row, service.metrics, is_stopping=lambda: self._stopping) for row in self._background_rows()
        ]
        self._server = http_server(service, shared, self._checks())
        self.failure = ""

    async def start(self, *, on_failure: Callable[[], None]) -> None:
        """The API first, then what takes mail. Raises `OSError` when a port is taken, `Temporary`.

        A process of several services calls `open`, `wait_for_neighbours` and `begin` itself.
        `on_failure` is called when background work says that the process must end; `failure` then says why.
        """
        await self.open()
        await self.begin(on_failure=on_failure)

    async def open(self) -> None:
        """Declare the queues and open the API. Raises `OSError` when the port is taken, `Temporary`."""
        await self._shared.bus.declare(*(row.queue for row in self._service.queue_handlers))
        await self._server.start()

    async def begin(self, *, on_failure: Callable[[], None]) -> None:
        """Start events and periodic jobs, then queues, and listeners last: mail must find the whole path open."""
        await self._subscribe()
        for rounds in self._rounds:
            self._background.append(asyncio.create_task(self._repeat(rounds, on_failure)))
        await self._consume()
        for listener in self._service.listeners:
            self._listeners.append(listener)  # before it starts: one that fails half-way is stopped too
            await listener.start()
        self._not_ready = ""

    async def wait_for_neighbours(self) -> None:
        """Wait, for a bounded time, until the neighbours that the service needs at its start are ready."""
        needs, settings = self._service.needs, self._service.settings
        if needs:
            self._not_ready = f"the service waits for {', '.join(needs)}"
        clients = [(name, self._shared.client(settings, name)) for name in needs]
        try:
            await wait_until_ready(clients, deadline=settings.neighbour_deadline)
        finally:
            for _, client in clients:
                await client.close()

    async def _subscribe(self) -> None:
        bus = self._shared.bus
        for row in self._service.event_handlers:
            dispatch = partial(self._dispatch, row)
            # A broadcast need not be finished before the process stops, and cannot be given back.
            handle = self._tracked(dispatch) if row.group else dispatch
            self._consumers.append(await bus.subscribe(row.names, handle, group=row.subscription))

    async def _consume(self) -> None:
        service, bus = self._service, self._shared.bus
        for row in service.queue_handlers:
            worker = Worker(
                row, self._shared.blobs, self._shared.outbox, service.metrics, self._shared.traces,
                service.settings.handler_deadline, self._dead_letter_reports,
            )  # fmt: skip
            self._consumers.append(await bus.consume(row.queue, self._tracked(worker), prefetch=row.prefetch))

    @property
    def metrics(self) -> Metrics:
        """The metrics of the service."""
        return self._service.metrics

    async def drain(self) -> None:
        """Consume nothing more and finish the work in flight, all within one deadline; `stop` returns the rest.

        A broker that is gone keeps no listener from closing.
        """
        self._not_ready, self._stopping = "the service stops", True
        grace = self._service.settings.drain_deadline
        end = asyncio.get_running_loop().time() + grace.total_seconds()
        await asyncio.gather(
            *(within(grace, "consumer", consumer.stop()) for consumer in self._consumers),
            *(within(grace + LISTENER, "listener", listener.stop(grace)) for listener in self._listeners),
        )
        while self._in_flight and (left := end - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(self._in_flight, timeout=left)

    async def stop(self) -> None:
        """Cancel the work in flight, HTTP and periodic jobs. Only then may the adapters be closed."""
        if self._in_flight:
            log.warning("deliveries_returned", service=self._service.name, deliveries=len(self._in_flight))
        await cancelled(self._in_flight)
        await asyncio.gather(
            within(ADAPTERS, "http", self._server.stop()),
            within(ADAPTERS, "background work", cancelled(self._background)),
            within(ADAPTERS, "traces", asyncio.to_thread(self._shared.traces.close)),
            within(ADAPTERS, "ingress client", self._ingress.close()),
        )

    def _checks(self) -> Checks:
        return Checks(
            ready={"service": self._check},
            dependencies=self._dependencies.checks,
            background={rounds.name: rounds.check for rounds in self._rounds},
        )

    async def _check(self) -> None:
        if self._not_ready:
            raise Temporary(self._not_ready)

    def _tracked(self, handle: Callable[[T], Awaitable[None]]) -> Callable[[T], Awaitable[None]]:
        """Wrap `handle` so that the work in flight is known and `drain` can wait for it."""

        async def tracked(given: T) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._in_flight.add(task)
            try:
                await handle(given)
            finally:
                self._in_flight.discard(task)

        return tracked

    async def _dispatch(self, row: EventHandler[Any], event: Event) -> None:
        deadline, outcome = self._service.settings.handler_deadline, "failed"
        try:
            async with asyncio.timeout(deadline.total_seconds()) as limit:
                await row.dispatch(event)
            outcome = "done"
        except TimeoutError as error:
            late = f"not heard within {deadline}" if limit.expired() else "something it waited for timed out"
            raise Temporary(f"{event.name}: {late}") from error
        except ExceptionGroup as group:
            raise merge_errors(group) from group
        finally:
            self._service.metrics.heard.labels(event.name, outcome).inc()

    async def _remove_stale_groups(self) -> None:
        """Unbind the queues of rows that are no more, and move their events to the queues of today."""
        durable = [row for row in self._service.event_handlers if row.group]
        await self._shared.bus.reconcile_groups(
            self._service.name,
            {row.subscription: row.names for row in durable if row.subscription},
            former={row.former_subscription: row.names for row in durable},
        )

    def _background_rows(self) -> Iterable[Periodic]:
        yield Periodic("dependency_checks", self._dependencies.update, DEPENDENCIES_PERIOD)
        yield from map(periodic, self._service.background)
        # A service without a queue watches over those of the others: its figures are there when they are away.
        depths = QueueDepths(self._shared.bus, self._service.queues or queues.ALL, self._service.metrics)
        yield Periodic("queue_depths", depths.update, DEPTHS_PERIOD)
        if self._dead_letter_reports is not None:
            yield Periodic("dead_letter_reports", self._dead_letter_reports.send_pending, REPORTS_PERIOD)
        if any(row.group for row in self._service.event_handlers):
            yield Periodic("event_groups", self._remove_stale_groups, GROUPS_PERIOD)
        if own := [row.queue for row in self._service.queue_handlers]:
            keep = partial(keep_dead_letter_blobs, self._shared.bus, self._shared.blobs, own)
            yield Periodic("dead_letter_blobs", keep, PERIOD)

    async def _repeat(self, rounds: PeriodicRunner, on_failure: Callable[[], None]) -> None:
        """Run a periodic job, which retries failures itself. An error that leaves it ends the process."""
        try:
            await rounds.run()
        except Exception as error:
            reason = str(error) if isinstance(error, MustEnd) else repr(error)
            self.failure = f"{self._service.name}: {rounds.name}: {reason}"
            log.error("process_exit_requested", service=self._service.name, work=rounds.name, exc_info=error)
            on_failure()
