"""A resolution in words, step by step."""

from __future__ import annotations

from dataclasses import dataclass

from services.router.domain.loops import find_loops
from services.router.domain.resolution import AddressRoute, Resolution


@dataclass(frozen=True, slots=True)
class ExplanationStep:
    """What happens at `address`: `to` are the addresses it leads on to, `text` is one sentence for the operator."""

    address: str
    kind: str
    to: tuple[str, ...]
    text: str


def explain(resolution: Resolution) -> tuple[ExplanationStep, ...]:
    """A step for each address in the order in which it was met, then the loops that were cut, then what failed."""
    steps = [_step(route) for route in resolution.routes.values()]
    steps += [_loop(loop) for loop in _loops(resolution)]
    steps += [
        ExplanationStep(failure.address, "limit", (), failure.reason)
        for failure in resolution.failures
        if failure.kind in ("depth", "too many")
    ]
    return tuple(steps)


def _loops(resolution: Resolution) -> list[tuple[str, ...]]:
    if not resolution.ways:
        return []
    return find_loops(resolution.first.address, resolution.ways)


def _loop(loop: tuple[str, ...]) -> ExplanationStep:
    return ExplanationStep(loop[-2], "loop", (loop[-1],), f"mail loop: {' -> '.join(loop)}; cut here")


def _step(route: AddressRoute) -> ExplanationStep:
    return ExplanationStep(route.address, route.kind, (*route.targets, *route.replications), _text(route))


def _text(route: AddressRoute) -> str:
    targets, copies = ", ".join(route.targets), ", ".join(route.replications)
    also = f"; replicated to {copies}" if copies else ""
    match route.kind:
        case "account" if not route.keeps_copy:
            return f"account, redirected to {targets} without a local copy{also}"
        case "account" if targets:
            return f"account: delivered to its mailbox, redirected to {targets}{also}"
        case "account":
            return f"account: delivered to its mailbox{also}"
        case "alias":
            return f"alias of {targets}{also}"
        case "forward":
            return f"forwarded to {targets}{also}"
        case "catch-all":
            return f"no such address; the catch-all of its domain is {targets}"
        case "postmaster":
            return f"an address that every domain has; here it is {targets}"
        case "remote":
            return "not a domain of ours: leaves for another server"
        case "unknown":
            return route.reason or "no such address"
