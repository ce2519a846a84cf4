"""Files that stand uuencoded or yEncoded in a text, which old clients show as attachments."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from libs.mail.transfer import uuencoded_files, yencoded_files
from services.antivirus.domain.budget import ScanBudget
from services.antivirus.domain.content import Role, ScanContent
from services.antivirus.domain.detections import Detection


def open_uuencoded(content: ScanContent, budget: ScanBudget) -> Iterator[ScanContent | Detection]:
    """Each file; those in a message's own text count as its attachments."""
    role = Role.MEMBER if content.role is Role.MEMBER else Role.ATTACHMENT
    for name, octets in chain(uuencoded_files(content.octets), yencoded_files(content.octets)):
        budget.entry()
        yield ScanContent(octets, name, role=role)
