"""DNS lookups with typed answers, bounded in time, number and memory.

A composition root calls `open_resolver(settings, metrics)`; everything else takes the port `Resolver`. An answer is
found, empty (no such record) or tells that the name does not exist; `Temporary` is raised without an answer.
"""

from libs.dns.answers import AnswerKind, DnsAnswer, Ip, Mx, reverse_name
from libs.dns.opening import open_resolver
from libs.dns.ports import Resolver
from libs.dns.resolver import CachingResolver, ResolverLimits
from libs.dns.single_flight import SingleFlight

__all__ = [
    "AnswerKind",
    "CachingResolver",
    "DnsAnswer",
    "Ip",
    "Mx",
    "Resolver",
    "ResolverLimits",
    "SingleFlight",
    "open_resolver",
    "reverse_name",
]
