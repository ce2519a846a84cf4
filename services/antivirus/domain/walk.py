"""The walk through a content and everything in it, shared by all engines that open containers themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from services.antivirus.domain.budget import ArchiveLimits, LimitExceeded, NeedsThread, ScanBudget
from services.antivirus.domain.containers import OPENERS
from services.antivirus.domain.content import ScanContent
from services.antivirus.domain.detections import Detection, DetectionKind, detection
from services.antivirus.domain.file_formats import CONTAINERS, FileFormat

Found = ScanContent | Detection


def light(content: ScanContent, limits: ArchiveLimits) -> Sequence[Found] | None:
    """Walk at once where the content is a single message with a single reading; return None otherwise.

    Unpacking is too heavy for the event loop, and its output need not fit into memory at once.
    """
    try:
        return list(walk(content, ScanBudget(limits, light=True)))
    except NeedsThread:
        return None


def walk(content: ScanContent, budget: ScanBudget, *, depth: int = 0) -> Iterator[Found]:
    """Yield `content`, everything in it, and the detections in its structure. Holds one chain of containers in memory.

    `depth` counts the opened containers, without the message. Exceeding the budget is a detection, and the walk goes
    on with the rest.
    """
    yield content
    for form in content.forms:
        if form in CONTAINERS:
            yield from _opened(content, form, budget, depth + (content.message is None))


def _opened(content: ScanContent, form: FileFormat, budget: ScanBudget, depth: int) -> Iterator[Found]:
    try:
        if content.message is None:
            budget.heavy()
        budget.enter(depth)
        for found in OPENERS[form](content, budget):
            if isinstance(found, Detection):
                yield found
            else:
                yield from walk(found, budget, depth=depth)
    except LimitExceeded as limit:
        yield detection(DetectionKind.ARCHIVE_LIMIT, str(limit))
