"""Bounded caches with a time to live, whose entries are invalidated by key or by tag.

`TtlCache` keeps given values. `LoadingCache` fetches missing values, once for all concurrent callers.
"""

from libs.caching.loading_cache import LoadingCache
from libs.caching.ttl_cache import TtlCache

__all__ = ["LoadingCache", "TtlCache"]
