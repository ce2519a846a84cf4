"""Engine addresses as they stand in the settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class EngineAddress:
    """`builtin`, `clamav:tcp://127.0.0.1:3310` or `clamav:unix:/run/clamav/clamd.ctl`."""

    kind: Literal["builtin", "clamav"]
    path: str = ""
    host: str = ""
    port: int = 0

    @classmethod
    def read(cls, text: str) -> EngineAddress:
        """Raises `ValueError` that says how an address looks."""
        if text == "builtin":
            return cls("builtin")
        kind, _, rest = text.partition(":")
        if kind == "clamav" and rest.startswith("unix:/"):
            return cls("clamav", path=rest.removeprefix("unix:"))
        if kind == "clamav" and rest.startswith("tcp://"):
            url = urlsplit(rest)
            if url.hostname and url.port:
                return cls("clamav", host=url.hostname, port=url.port)
        raise ValueError(f"engine {text!r}: expected builtin, clamav:tcp://HOST:PORT or clamav:unix:/PATH")


def names_of(addresses: tuple[EngineAddress, ...]) -> list[str]:
    """`builtin`, `clamav`, `clamav-2`: what metrics and findings call them, without paths or hosts."""
    kinds = [address.kind for address in addresses]
    return [kind + (f"-{n}" if (n := kinds[: i + 1].count(kind)) > 1 else "") for i, kind in enumerate(kinds)]
