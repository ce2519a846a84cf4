"""The built-in engine: needs nothing but itself and the fingerprint database."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from libs.envelope import Temporary
from services.antivirus.adapters.threads import Threads
from services.antivirus.domain.budget import Limits
from services.antivirus.domain.fingerprints import Fingerprint, FingerprintVerdict
from services.antivirus.domain.inspection import Inspection, inspect, inspection_of
from services.antivirus.domain.sightings import Kind, Sighting, sighting
from services.antivirus.ports import Fingerprints, Item, Signatures
from services.antivirus.tally import Tally

VERSION = "builtin-2"


class BuiltinEngine:
    """Small mail without archives is looked at in place; everything else in one of a few threads.

    A thread gives the loop its share, and its work is bounded by `Limits.seconds`, so none is ever lost to a bomb.
    With `others_open_archives` what only they open is theirs to judge, and no sighting here.
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
        others_open_archives: bool = False,
    ) -> None:
        self.name = name
        self.in_process = True
        self._known = known
        self._tally = tally
        self._limits = limits
        self._loop_limit = loop_limit_bytes
        self._deadline = deadline.total_seconds()
        self._threads = Threads(name, threads, deadline)
        self._others_open_archives = others_open_archives

    async def scan(self, item: Item) -> Sequence[Sighting]:
        """What stands in the octets, and what the database knows of the attachments."""
        seen = await self._inspect(item)
        known = await self._known_of(seen) if seen.digests else ()
        self._tally.saw(seen.attachments)
        return [*filter(self._is_ours, seen.sightings), *map(_of_fingerprint, known)]

    async def probe(self) -> Signatures:
        """Its signatures are part of the program and of the database; neither has a date of release."""
        return Signatures(VERSION, None)

    async def close(self) -> None:
        self._threads.close()

    async def _inspect(self, item: Item) -> Inspection:
        if len(item.octets) <= self._loop_limit and (found := item.light(self._limits)) is not None:
            return inspection_of(found)
        return await self._threads.run(lambda: inspect(item.content, self._limits))

    async def _known_of(self, seen: Inspection) -> Sequence[Fingerprint]:
        try:
            async with asyncio.timeout(self._deadline):
                return await self._known.known(list(seen.digests))
        except TimeoutError as error:
            raise Temporary(f"{self.name}: no fingerprints within {self._deadline:g} seconds") from error

    def _is_ours(self, seen: Sighting) -> bool:
        return seen.kind is not Kind.CLOSED_ARCHIVE or not self._others_open_archives


def _of_fingerprint(known: Fingerprint) -> Sighting:
    name = known.name or f"Fingerprint.{known.digest.hex()[:16]}"
    return sighting(Kind.VIRUS if known.verdict is FingerprintVerdict.BAD else Kind.SPAM_FINGERPRINT, name)
