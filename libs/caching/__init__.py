"""Answers that are kept for a while: bounded, never all dropped at once, forgotten by key when something changes.

`timed` keeps what it is given, `cache` asks for what is not known, once however many callers wait.
"""

from libs.caching.loading_cache import LoadingCache
from libs.caching.ttl_cache import TtlCache

__all__ = ["LoadingCache", "TtlCache"]
