"""DNS as services see it: questions with typed answers, bounded in time, number and memory.

`open_resolver(settings, metrics)` in a composition root; everything else takes the port `Resolver`. An answer is
found, empty (the name has no such record) or about a name that does not exist; `Temporary` when nobody could tell.
"""

from libs.dns.answers import Answer, AnswerKind, Ip, Mx, reverse_name
from libs.dns.opening import open_resolver
from libs.dns.ports import Resolver
from libs.dns.resolver import CachingResolver, ResolverLimits
from libs.dns.single_flight import SingleFlight

__all__ = [
    "Answer",
    "AnswerKind",
    "CachingResolver",
    "Ip",
    "Mx",
    "Resolver",
    "ResolverLimits",
    "SingleFlight",
    "open_resolver",
    "reverse_name",
]
