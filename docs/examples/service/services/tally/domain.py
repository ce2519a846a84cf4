"""The rules of counting: pure, without socket or framework."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable


def count_domains(recipients: Iterable[str]) -> Counter[str]:
    """Count the addresses of each domain; an address without a domain counts for none."""
    domains = (address.rpartition("@")[2].lower() for address in recipients if "@" in address)
    return Counter(domains)
