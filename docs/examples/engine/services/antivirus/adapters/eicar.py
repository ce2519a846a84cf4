"""An engine that knows one virus, the EICAR test file: an example of what an engine has to do."""

from __future__ import annotations

from collections.abc import Sequence

from services.antivirus.domain.detections import Detection, DetectionKind, detection
from services.antivirus.ports import ScanItem, Signatures

# In two parts, so that no scanner mistakes this file for the test file.
_TEST_FILE = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


class EicarEngine:
    """Searches the octets of the message and of its decoded parts. It needs neither thread nor socket."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.in_process = True

    async def scan(self, item: ScanItem) -> Sequence[Detection]:
        """Return what was found. An engine that cannot look raises `Temporary`: it never calls a message clean then."""
        parts = item.message.parts() if item.message else ()
        is_found = _TEST_FILE in item.octets or any(_TEST_FILE in part.body() for part in parts)
        return [detection(DetectionKind.VIRUS, "Eicar-Test-File")] if is_found else []

    async def probe(self) -> Signatures:
        """Prove that the engine can scan now, and tell how old its signatures are."""
        return Signatures("1", None, daily=False)

    async def close(self) -> None:
        """Give back connections and threads: there are none."""
