"""The source text of Visual Basic macros (MS-OVBA 2.4.1): found by how every module starts, then expanded."""

from __future__ import annotations

from collections.abc import Iterator

from services.antivirus.domain.budget import ScanBudget

# A compressed container whose first chunk starts with eight literal octets: every module starts with `Attribute`.
_MODULE = b"\0Attribut"
_BEHIND_START = 3  # signature 0x01 and the header of the chunk stand before
_CHUNK = 4096


def modules(stream: bytes, budget: ScanBudget) -> Iterator[bytes]:
    """Each module in a stream, as far as it can be read. Raises `Exceeded`."""
    position = 0
    while (at := stream.find(_MODULE, position)) >= 0:
        position = at + len(_MODULE)
        if at >= _BEHIND_START and stream[at - _BEHIND_START] == 1:
            source, position = expand_container(stream, at - _BEHIND_START, budget)
            yield source


def expand_container(stream: bytes, start: int, budget: ScanBudget) -> tuple[bytes, int]:
    """Decompress the container at `start` (MS-OVBA 2.4.1.3.1) and return its end. Raises `LimitExceeded`."""
    pieces: list[bytes] = []
    at = start + 1
    while at + 2 <= len(stream):
        header = int.from_bytes(stream[at : at + 2], "little")
        if (header >> 12) & 0b111 != 0b011 and pieces:
            break
        end = min(at + (header & 0xFFF) + 3, len(stream))
        piece = _expanded(stream[at + 2 : end]) if header & 0x8000 else stream[at + 2 : end]
        budget.grown(len(piece), total=0, packed=0)
        pieces.append(piece)
        at = end
    return b"".join(pieces), at


def _expanded(chunk: bytes) -> bytes:
    """Decompress a chunk (MS-OVBA 2.4.1.3.3): eight tokens follow each octet of flags, literals or copies."""
    out = bytearray()
    at = 0
    while at < len(chunk) and len(out) < _CHUNK:
        flags = chunk[at]
        at += 1
        for bit in range(8):
            if at >= len(chunk):
                break
            if not flags >> bit & 1:
                out.append(chunk[at])
                at += 1
            else:
                _copy(out, int.from_bytes(chunk[at : at + 2], "little"))
                at += 2
    return bytes(out[:_CHUNK])


def _copy(out: bytearray, token: int) -> None:
    """2.4.1.3.19.1: the further the text, the more bits say how far back; the rest say how many octets."""
    offset_bits = max((len(out) - 1).bit_length(), 4) if out else 4
    offset = (token >> (16 - offset_bits)) + 1
    length = (token & (0xFFFF >> offset_bits)) + 3
    if offset > len(out):
        return  # damaged: there is nothing so far back
    for _ in range(length):  # the copy may overlap its own output
        out.append(out[-offset])
