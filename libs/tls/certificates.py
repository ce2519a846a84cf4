"""A certificate and its key from files; the context of a handshake is always that of the newest whole pair."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """PEM files; `key` may be the same as `certificate`."""

    certificate: Path
    key: Path

    def stamp(self) -> tuple[int, int]:
        """Changes when a file does. Raises `OSError`."""
        return self.certificate.stat().st_mtime_ns, self.key.stat().st_mtime_ns

    def context(self) -> ssl.SSLContext:
        """TLS 1.2 and up (RFC 8996). Raises `OSError` (`ssl.SSLError` is one) when the files are no pair."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        context.load_cert_chain(self.certificate, self.key)
        return context


class Certificates:
    """The context for the next handshake. Raises `ValueError` when the files cannot be used at the start."""

    def __init__(self, files: CertificateFiles) -> None:
        self._files = files
        try:
            self._stamp = files.stamp()
            self.context = files.context()
        except OSError as error:
            raise ValueError(f"TLS certificate {files.certificate}: {error}") from error

    def refresh(self) -> bool:
        """Take over changed files; a broken or half-written pair leaves the old one in use. True if they changed."""
        try:
            stamp = self._files.stamp()
            if stamp == self._stamp:
                return False
            self.context = self._files.context()
        except OSError as error:
            log.warning("certificate_reload_failed", file=str(self._files.certificate), reason=str(error))
            return False
        self._stamp = stamp
        log.info("certificate_reloaded", file=str(self._files.certificate))
        return True

    async def watch(self, period: timedelta) -> None:
        """Look again and again, for ever."""
        while True:
            await asyncio.sleep(period.total_seconds())
            await asyncio.to_thread(self.refresh)
