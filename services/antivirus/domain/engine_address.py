"""Engine addresses as they stand in the settings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

_TCP = re.compile(r"clamav:tcp://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):([0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class EngineAddress:
    """`builtin`, `yara`, `clamav:tcp://127.0.0.1:3310` or `clamav:unix:/run/clamav/clamd.ctl`."""

    kind: Literal["builtin", "yara", "clamav"]
    path: str = ""
    host: str = ""
    port: int = 0

    @classmethod
    def read(cls, text: str) -> EngineAddress:
        """Raises `ValueError` that says how an address looks."""
        if text == "builtin":
            return cls("builtin")
        if text == "yara":
            return cls("yara")
        if text.startswith("clamav:unix:/"):
            return cls("clamav", path=text.removeprefix("clamav:unix:"))
        if match := _TCP.fullmatch(text):
            return cls("clamav", host=match[1].strip("[]"), port=int(match[2]))
        raise ValueError(f"engine {text!r}: expected builtin, yara, clamav:tcp://HOST:PORT or clamav:unix:/PATH")


def names_of(addresses: tuple[EngineAddress, ...]) -> list[str]:
    """`builtin`, `clamav`, `clamav-2`: what metrics and findings call them, without paths or hosts."""
    kinds = [address.kind for address in addresses]
    return [kind + (f"-{n}" if (n := kinds[: i + 1].count(kind)) > 1 else "") for i, kind in enumerate(kinds)]
