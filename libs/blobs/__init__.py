"""The blob store of the claim check: raw messages that are too large for the queue.

A blob is written before its envelope is published and is never changed. Whoever keeps a message waiting touches its
blob; the collector deletes what nobody touched for a long time, so that a crash leaves nothing behind for ever.
"""

from libs.blobs.opening import open_blobs
from libs.blobs.ports import Blobs, Missing

__all__ = ["Blobs", "Missing", "open_blobs"]
