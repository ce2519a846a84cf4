"""Octets to text in whatever charset a stranger names: never raises, always gives text that UTF-8 can carry.

The names come from the message, so Python's codec registry is never asked about one it does not know (it would remember
each wrong name for ever), nor about codecs that are no charsets or are quadratic (`idna`, `punycode`).
"""

import codecs
from encodings.aliases import aliases
from functools import lru_cache

_NOT_CHARSETS = frozenset(
    {"base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "rot_13", "uu_codec", "zlib_codec"}
    | {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"}
)
_KNOWN = frozenset(
    name for alias, codec in aliases.items() if codec not in _NOT_CHARSETS for name in (alias, codec)
)  # closed: what is not in here is never looked up

# What mail says and what it means: the supersets that clients use (WHATWG Encoding 4.2), and names Python lacks.
_MEANT = {
    "us_ascii": "utf_8",
    "ascii": "utf_8",
    "iso_8859_1": "cp1252",
    "iso8859_1": "cp1252",
    "latin_1": "cp1252",
    "latin1": "cp1252",
    "iso_8859_8_i": "iso8859_8",
    "iso_8859_8_e": "iso8859_8",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x_gbk": "gb18030",
    "ks_c_5601_1987": "cp949",
    "euc_kr": "cp949",
    "windows_874": "cp874",
    "x_sjis": "cp932",
    "shift_jis": "cp932",
    "unicode_1_1_utf_7": "utf_7",
    "utf8mb4": "utf_8",
    "x_unknown": "utf_8",
}


def decode(octets: bytes, charset: str = "") -> str:
    """Text of the octets. Unknown charset, or octets that are not in it: UTF-8 if they are, windows-1252 otherwise."""
    codec = _codec(charset.strip().lower()[:40]) if charset else ""
    if codec and codec != "utf_8":
        return octets.decode(codec, "replace").encode("utf-8", "replace").decode("utf-8")
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        # Declared UTF-8 with a slip in it stays UTF-8; undeclared octets are most often a Windows client's.
        return octets.decode("utf-8" if codec and not charset.lower().endswith("ascii") else "cp1252", "replace")


@lru_cache(maxsize=256)
def _codec(name: str) -> str:
    """Python's codec for a charset name in lower case; empty if there is none that is safe."""
    key = name.replace("-", "_").replace(" ", "_").replace(".", "_")
    known = _MEANT.get(key) or (key if key in _KNOWN else "")
    try:
        return known and codecs.lookup(known).name.replace("-", "_")
    except LookupError:
        return ""
