"""How a service runs: one alone, or all in one process; SIGTERM drains, nothing is lost.

`service` says what a service is, `worker` takes messages from the queue to a handler and on, `outbox` publishes,
`periodic` repeats background work, `shared` opens what a process has once, `running` starts and stops one service,
`process` runs them all.
"""

from libs.runtime.command import main
from libs.runtime.outbox import Outbox
from libs.runtime.periodic import MustEnd, Periodic
from libs.runtime.process import run
from libs.runtime.service import EventHandler, QueueHandler, Route, Service
from libs.runtime.shared import Shared

__all__ = ["EventHandler", "MustEnd", "Outbox", "Periodic", "QueueHandler", "Route", "Service", "Shared", "main", "run"]
