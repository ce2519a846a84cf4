"""How tasks end (`ending`), and threads for what would keep the event loop busy (`threads`)."""

from libs.tasks.ending import cancelled
from libs.tasks.threads import Threads

__all__ = ["Threads", "cancelled"]
