"""The built-in engine: needs nothing but itself and the fingerprint database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from libs.envelope import Temporary
from services.antivirus.domain.budget import Limits
from services.antivirus.domain.content import Content
from services.antivirus.domain.fingerprints import Fingerprint, Verdict
from services.antivirus.domain.inspection import Heavy, Inspection, inspect
from services.antivirus.domain.sightings import Kind, Sighting, sighting
from services.antivirus.ports import Fingerprints, Item, Signatures
from services.antivirus.tally import Tally

VERSION = "builtin-1"


class BuiltinEngine:
    """Small mail without archives is looked at in place; everything else in one of a few threads.

    A thread gives the loop its share, and its work is bounded by `Limits.seconds`, so none is ever lost to a bomb.
    """

    def __init__(
        self,
        name: str,
        known: Fingerprints,
        tally: Tally,
        *,
        limits: Limits,
        threads: int,
        loop_limit_bytes: int,
        deadline: timedelta,
    ) -> None:
        self.name = name
        self._known = known
        self._tally = tally
        self._limits = limits
        self._loop_limit = loop_limit_bytes
        self._deadline = deadline.total_seconds()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="antivirus")

    async def scan(self, item: Item) -> Sequence[Sighting]:
        """What stands in the octets, and what the database knows of the attachments."""
        try:
            async with asyncio.timeout(self._deadline):
                seen = await self._inspect(item)
                known = await self._known.known(list(seen.digests)) if seen.digests else ()
        except TimeoutError as error:
            raise Temporary(f"{self.name}: no result within {self._deadline:g} seconds") from error
        self._tally.saw(seen.attachments)
        return [*seen.sightings, *map(_of_fingerprint, known)]

    async def probe(self) -> Signatures:
        """Its signatures are part of the program and of the database; neither has a date of release."""
        return Signatures(VERSION, None)

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _inspect(self, item: Item) -> Inspection:
        if len(item.octets) <= self._loop_limit:
            try:
                return inspect(_content_of(item), self._limits, light_only=True)
            except Heavy:
                pass  # there is something to unpack: all of it goes to a thread
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: inspect(_content_of(item), self._limits))


def _content_of(item: Item) -> Content:
    return Content(item.octets, message=item.message)


def _of_fingerprint(known: Fingerprint) -> Sighting:
    name = known.name or f"Fingerprint.{known.digest.hex()[:16]}"
    return sighting(Kind.VIRUS if known.verdict is Verdict.BAD else Kind.SPAM_FINGERPRINT, name)
