"""The address of spamd: `tcp://HOST:PORT` or `unix:/PATH`."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class SpamdAddress:
    """Either `path`, or `host` and `port`."""

    host: str = ""
    port: int = 0
    path: str = ""

    @classmethod
    def parse(cls, text: str) -> SpamdAddress:
        """Parse the setting. Raises a `ValueError` that says which forms are valid."""
        if text.startswith("unix:/"):
            return cls(path=text.removeprefix("unix:"))
        parts = urlsplit(text)
        if parts.scheme != "tcp" or not parts.hostname or parts.port is None or parts.path not in ("", "/"):
            raise ValueError(f"{text!r} is neither tcp://HOST:PORT nor unix:/PATH")
        return cls(host=parts.hostname, port=parts.port)
