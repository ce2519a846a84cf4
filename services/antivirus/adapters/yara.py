"""YARA rules over the message, each decoded part and each member of an archive."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from datetime import timedelta

import structlog
import yara

from libs.envelope import Temporary
from services.antivirus.adapters.threads import ScanThreads
from services.antivirus.adapters.yara_rules import CompiledRules, RuleFiles
from services.antivirus.domain.budget import ArchiveLimits, ScanBudget
from services.antivirus.domain.content import ScanContent
from services.antivirus.domain.detections import Detection, DetectionKind, detection
from services.antivirus.domain.file_formats import FileFormat
from services.antivirus.domain.inspection import Inspection
from services.antivirus.domain.walk import Found, walk
from services.antivirus.ports import ScanItem, Signatures

log = structlog.get_logger(__name__)

_ON_THE_LOOP = 0.05  # seconds that one message may take of it; with rules by the dozen it takes a hundred microseconds


class YaraEngine:
    """Small mail without archives is looked at in place, the rest in a thread, where YARA does not hold the GIL."""

    def __init__(
        self,
        name: str,
        files: RuleFiles,
        *,
        limits: ArchiveLimits,
        threads: int,
        loop_limit_bytes: int,
        deadline: timedelta,
    ) -> None:
        self.name = name
        self.in_process = True
        self._files = files
        self._limits = limits
        self._loop_limit = loop_limit_bytes
        self._threads = ScanThreads(name, threads, deadline)
        self._reading = asyncio.Lock()
        self._rules: CompiledRules | None = None
        self._quick = True  # until these rules have kept the loop waiting

    async def scan(self, item: ScanItem) -> Sequence[Detection]:
        """Return the matches of the rules. Raises `Temporary` until rules are loaded."""
        if self._rules is None:
            raise Temporary(f"{self.name}: no rules were read yet")
        rules = self._rules
        if self._quick and len(item.octets) <= self._loop_limit:
            found = item.light(self._limits)
            seen = self._at_once(self._rules, found) if found is not None else None
            if seen is not None:
                return seen
        return await self._threads.run(lambda: all_matches(rules, item.content, self._limits))

    async def probe(self) -> Signatures:
        """Reads the rules again where a file has changed; what cannot be read leaves the rules as they are."""
        async with self._reading:
            try:
                if self._rules is None or await asyncio.to_thread(self._files.changed):
                    self._takes(await asyncio.to_thread(self._files.read))
            except Temporary as error:
                if self._rules is None:
                    raise
                return _signatures(self._rules, trouble=error.reason)
            if self._rules is None:
                raise Temporary(f"{self.name}: no rules were read yet")
            return _signatures(self._rules, trouble=self._rules.trouble)

    async def close(self) -> None:
        self._threads.close()

    def _at_once(self, rules: CompiledRules, found: Sequence[Found]) -> Sequence[Detection] | None:
        """In place, and None where it turns out to take so long that a thread has to do it."""
        until = time.monotonic() + _ON_THE_LOOP
        seen = Inspection()
        for one in found:
            if time.monotonic() > until:
                return None
            try:
                for detected in _detections(rules, one, seconds=1):
                    seen.saw(detected)
            except yara.TimeoutError:
                self._quick = False
                log.warning("rules_slow", engine=self.name, version=rules.version)
                return None
        return list(seen.detections)

    def _takes(self, rules: CompiledRules) -> None:
        self._rules, self._quick = rules, True
        if rules.trouble:
            log.error("rules_broken", engine=self.name, reason=rules.trouble)


def all_matches(rules: CompiledRules, content: ScanContent, limits: ArchiveLimits) -> Sequence[Detection]:
    """Of `content` and all that is in it, within the time of `limits`."""
    budget = ScanBudget(limits)
    seen = Inspection()
    try:
        for found in walk(content, budget):
            for detected in _detections(rules, found, seconds=max(math.ceil(budget.seconds_left), 1)):
                seen.saw(detected)
    except yara.TimeoutError:
        # It looked at less than all, and would tomorrow too. The time is for the whole message, so it ends here.
        seen.saw(detection(DetectionKind.UNSCANNABLE, f"YARA rules take more than {limits.seconds:g} seconds"))
    return list(seen.detections)


def _detections(rules: CompiledRules, found: Found, *, seconds: int) -> Sequence[Detection]:
    """In one content. Raises `yara.TimeoutError`; what else YARA cannot do is a detection."""
    if isinstance(found, Detection):
        return (found,)
    if found.form is FileFormat.MAIL and not rules.ask_for_messages:
        return ()
    try:
        return [_detection_of(match) for match in _match(rules.compiled, found, seconds)]
    except yara.TimeoutError:
        raise
    except yara.Error as error:
        return (detection(DetectionKind.UNSCANNABLE, "YARA:", str(error)),)


def _match(rules: yara.CompiledRules, content: ScanContent, seconds: int) -> Sequence[yara.Match]:
    """The time limit of YARA is in whole seconds, and 0 means none. `fast`: that a pattern is there, not how often."""
    name = content.name
    return rules.match(  # type: ignore[no-any-return]
        data=content.octets,
        externals={
            "filename": name,
            "filepath": name,
            "extension": name[name.rfind(".") :].lower() if "." in name else "",
            "filetype": content.declared_type,
            "message": content.form is FileFormat.MAIL,
        },
        fast=True,
        timeout=seconds,
        warnings_callback=_many_matches,
    )


def _many_matches(kind: int, details: object) -> int:
    """A pattern that is found a million times: YARA stops to count it and goes on."""
    return yara.CALLBACK_CONTINUE  # type: ignore[no-any-return]


def _detection_of(match: yara.Match) -> Detection:
    """`meta: kind` names the kind, a virus where there is none that we know: most public rules are about viruses."""
    kind = str(match.meta.get("kind", ""))
    known = DetectionKind(kind) if kind in _KINDS else DetectionKind.VIRUS
    return detection(known, str(match.meta.get("name", "")) or match.rule)


_KINDS = frozenset(DetectionKind) - {DetectionKind.SPAM_FINGERPRINT}


def _signatures(rules: CompiledRules, *, trouble: str) -> Signatures:
    return Signatures(rules.version, rules.changed_at, daily=False, trouble=trouble)
