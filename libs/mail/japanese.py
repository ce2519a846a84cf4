"""Japanese charsets as their senders mean them: with the rows of NEC and IBM that Python's codecs leave out.

The characters outside JIS X 0208 are in Microsoft's Shift_JIS (cp932), which has the same rows at another place
(WHATWG Encoding 12.1 and 12.2 read it so).
"""

import re
from collections.abc import Callable, Mapping

_ESCAPE = re.compile(rb"(\x1b(?:\$[@B]|\$\([@BD]|\([BJIH]))")
_TWO = re.compile(rb"[\x21-\x7e]{2}")
_KATAKANA = bytes(octet | 0x80 if 0x21 <= octet <= 0x5F else octet for octet in range(256))
_EUC = re.compile(rb"(\x8e[\xa1-\xdf])|([\xa1-\xfe]{2})|(\x8f[\xa1-\xfe]{2})|([\x00-\x7f]++)|.", re.DOTALL)


def decode_iso_2022_jp(octets: bytes) -> str:
    """RFC 1468, with half-width katakana and JIS X 0212."""
    out: list[str] = []
    mode = b""
    for piece in _ESCAPE.split(octets):
        if piece.startswith(b"\x1b"):
            mode = piece[1:]
        elif mode in (b"$@", b"$B", b"$(@", b"$(B"):
            out.append(_of_jis(piece))
        elif mode == b"$(D":
            out.append((b"\x1b$(D" + piece).decode("iso2022_jp_ext", "replace"))
        elif mode == b"(I":
            out.append(
                bytes(octet | 0x80 if 0x21 <= octet <= 0x5F else octet for octet in piece).decode("cp932", "replace")
            )
        else:
            out.append(piece.decode("cp932", "replace"))
    return "".join(out)


def decode_euc_jp(octets: bytes) -> str:
    """EUC-JP; octets that Python's codec does not know are looked up in cp932."""
    try:
        return octets.decode("euc_jp")
    except UnicodeDecodeError:
        return "".join(map(_of_euc, _EUC.finditer(octets)))


def _of_euc(match: re.Match[bytes]) -> str:
    if match[2]:
        return _of_jis(bytes(octet & 0x7F for octet in match[2]))
    return match[0].decode("euc_jp", "replace")


def _of_jis(octets: bytes) -> str:
    """Pairs of JIS X 0208 as cp932; other octets stay, such as a line end without its escape sequence."""
    return _TWO.sub(_as_shift_jis, octets).decode("cp932", "replace")


def _as_shift_jis(pair: re.Match[bytes]) -> bytes:
    row, cell = pair[0]
    first = ((row - 0x21) >> 1) + 0x81
    first += 0x40 if first > 0x9F else 0
    second = cell + 0x7E if row % 2 == 0 else cell + (0x1F if cell < 0x60 else 0x20)
    return bytes((first, second))


DECODERS: Mapping[str, Callable[[bytes], str]] = {"iso2022_jp": decode_iso_2022_jp, "euc_jp": decode_euc_jp}
