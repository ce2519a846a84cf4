"""Decodes octets in any charset that a sender names: never raises, always returns text that UTF-8 can carry.

Names have the meaning of mail clients and browsers: the labels of the WHATWG Encoding standard, each its superset
(`gb2312` is GBK, `iso-8859-1` is windows-1252), and beyond these Python's names. They come from the message, so that
Python's registry is never asked about one that it does not know (it would remember each wrong name), nor about codecs
that are no charsets or are quadratic (`idna`, `punycode`).
"""

import codecs
import re
from encodings.aliases import aliases
from functools import lru_cache

from webencodings import PYTHON_NAMES
from webencodings.labels import LABELS

from libs.mail import japanese

_NOT_CHARSETS = frozenset(
    {"base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "rot_13", "uu_codec", "zlib_codec"}
    | {"idna", "punycode", "unicode_escape", "raw_unicode_escape", "undefined", "mbcs", "oem"}
)
# Closed: other names are never looked up.
_PYTHON = {
    re.sub(r"[^a-z0-9]", "", name): codec
    for alias, codec in aliases.items()
    if codec not in _NOT_CHARSETS
    for name in (alias, codec)
}
# Those for which mail needs another codec than the standard names, or that it leaves unread.
_BETTER = {
    "gbk": "gb18030",
    "utf-16le": "utf_16",  # with a byte order mark it may be the other one
    "iso-8859-8-i": "iso8859_8",
    "replacement": "",
    "x-user-defined": "",
}
# ASCII in all its names: text under it is most often UTF-8 or windows-1252.
_ASCII = frozenset(
    {"ascii", "usascii", "ansix341968", "ansix341986", "iso646us", "iso646irv1991", "iso646", "csascii", "isoir6", "us"}
    | {"ibm367", "cp367", "646", "utf8mb4", "xunknown", "unknown8bit", "unicode11utf8", "unicode20utf8"}
)
_OTHER_NAMES = {
    "macce": "mac_latin2",
    "maccentraleurroman": "mac_latin2",
    "macjapanese": "cp932",
    "macchinesesimp": "gb18030",
    "macchinesetrad": "cp950",
    "mackorean": "cp949",
    "macukrainian": "mac_cyrillic",
    "unicode11utf7": "utf_7",
    "utf16le": "utf_16_le",
    "iso88598e": "iso8859_8",
    "koi8": "koi8_r",
    "hzgb2312": "hz",
    "iso2022jpms": "iso2022_jp",
    "iso2022kr": "iso2022_kr",
    "csiso2022kr": "iso2022_kr",
    "eucjpms": "euc_jp",
    "cp51932": "euc_jp",
    "cp50220": "iso2022_jp",
    "cp50221": "iso2022_jp",
    "cp50222": "iso2022_jp",
    "cp936": "gb18030",
    "cp51936": "gb18030",
    "cp54936": "gb18030",
    "cp51949": "cp949",
    "windows949": "cp949",
    "windows936": "gb18030",
    "windows950": "cp950",
    "windows932": "cp932",
}


def decode(octets: bytes, charset: str = "") -> str:
    """Text of the octets. Unknown charset, or octets that are not in it: UTF-8 if they are, windows-1252 otherwise."""
    codec = _codec(charset.strip().lower()[:40]) if charset else ""
    if codec and codec != "utf_8":
        return _decoded(octets, codec).encode("utf-8", "replace").decode("utf-8")
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        # Declared UTF-8 with a slip in it stays UTF-8; undeclared octets are most often a Windows client's.
        return octets.decode(codec or "cp1252", "replace")


def _decoded(octets: bytes, codec: str) -> str:
    for other in _TRIED.get(codec, ()):
        try:
            return octets.decode(other)
        except UnicodeError:
            pass
    if codec in japanese.DECODERS:
        return japanese.DECODERS[codec](octets)
    return octets.decode(codec, "replace")


# Supersets that Python has in pieces: the first that knows all of the octets.
_TRIED = {"big5hkscs": ("big5hkscs", "cp950")}


@lru_cache(maxsize=256)
def _codec(name: str) -> str:
    """Python's codec for a charset name in lower case; empty if there is none that is safe, or it means ASCII."""
    key = re.sub(r"[^a-z0-9]", "", name)
    for known in (key, key.removeprefix("x"), key.removeprefix("cs")):
        if known in _ASCII:
            return ""
        if found := _OTHER_NAMES.get(known) or _WHATWG.get(known) or _PYTHON.get(known):
            return codecs.lookup(found).name.replace("-", "_")
    return ""


_WHATWG = {
    re.sub(r"[^a-z0-9]", "", label): _BETTER.get(name, PYTHON_NAMES.get(name, name)) for label, name in LABELS.items()
}
