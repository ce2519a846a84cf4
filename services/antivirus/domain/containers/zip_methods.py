"""The compression methods of zip (APPNOTE.TXT 4.4.5) that can be undone here."""

from __future__ import annotations

import bz2
import lzma

from services.antivirus.domain.containers.inflating import MEMORY_LIMIT, Buffered, Decompressor, Inflater


def decompressor_for(method: int, octets: bytes, start: int) -> tuple[Decompressor | None, int]:
    """A decompressor, None if the method is unknown, and where its stream starts."""
    match method:
        case 8:  # deflated
            return Inflater(-15), start
        case 12:  # bzip2
            return Buffered(bz2.BZ2Decompressor()), start
        case 14:  # LZMA
            return _lzma(octets, start)
        case 95:  # xz
            return Buffered(lzma.LZMADecompressor(lzma.FORMAT_XZ, MEMORY_LIMIT)), start
        case _:
            return None, start


def _lzma(octets: bytes, start: int) -> tuple[Decompressor | None, int]:
    """5.8.8: version (2 octets), size of the properties (2), properties, then the raw stream."""
    properties_size = int.from_bytes(octets[start + 2 : start + 4], "little")
    properties = octets[start + 4 : start + 4 + properties_size]
    if len(properties) != 5 or properties[0] >= 9 * 5 * 5:
        return None, start
    dictionary_size = int.from_bytes(properties[1:], "little")
    if dictionary_size > MEMORY_LIMIT:
        return None, start
    rest, literal_context = divmod(properties[0], 9)
    position_bits, literal_position = divmod(rest, 5)
    if literal_context + literal_position > 4:  # liblzma refuses it
        return None, start
    chain = {
        "id": lzma.FILTER_LZMA1,
        "dict_size": max(dictionary_size, 4096),
        "lc": literal_context,
        "lp": literal_position,
        "pb": position_bits,
    }
    return Buffered(lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[chain])), start + 4 + properties_size
