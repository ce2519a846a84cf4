"""The blob store of the claim check: raw messages that are too large for the queue.

A blob is written before its envelope is published and is never changed. Each queue in which its message waits holds it:
the hold is taken before the message is published there, and released after its delivery was acknowledged. The collector
deletes what nothing holds any more, some time later, and what was not touched for a long time whoever holds it, so that
a crash leaves nothing behind for ever.
"""

from libs.blobs.opening import open_blobs
from libs.blobs.ports import Blobs, Missing

__all__ = ["Blobs", "Missing", "open_blobs"]
