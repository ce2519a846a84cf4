"""RFC 2047: text that is not ASCII, in header fields. Reading is tolerant, writing is by the book."""

import binascii
import re
from collections.abc import Iterable, Iterator

from libs.mail.charset import decode
from libs.mail.transfer import decode_base64

# RFC 2047 2, with the deviations of real mail: spaces and question marks inside, words inside quotes. Linear, since a
# text ends where another word starts.
_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?((?:[^?=]++|\?(?!=)|=(?!\?[^=]))*+)\?=")
_CONTROLS = {**dict.fromkeys(range(0x20), " "), **dict.fromkeys(range(0x7F, 0xA0), " ")}

_FRAME = "=?utf-8?{}?{}?="
_FRAME_OCTETS = len(_FRAME.format("q", ""))
MAX_WORD_OCTETS = 75  # RFC 2047 2, with the delimiters
# RFC 2047 5 (3): safe in a phrase, and so everywhere
_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")


def decode_words(text: str) -> str:
    """The text with its encoded-words decoded; control characters become spaces, so that none smuggles in a line."""
    decoded = _decode(text) if "=?" in text else text
    return decoded if decoded.isprintable() else decoded.translate(_CONTROLS)


def _decode(text: str) -> str:
    out: list[str] = []
    held: list[re.Match[str]] = []  # neighbours of one charset are joined first: some senders cut a character in two
    charset, end = "", 0
    for word in _WORD.finditer(text):
        gap, name = text[end : word.start()], word[1].partition("*")[0].lower()  # RFC 2231 5: `charset*language`
        neighbour = end > 0 and not gap.strip()  # RFC 2047 6.2: the space between two words is not shown
        if not neighbour or name != charset:
            out.append(decode(_octets(held), charset))
            held.clear()
        if not neighbour:
            out.append(gap)
        held.append(word)
        charset, end = name, word.end()
    out += [decode(_octets(held), charset), text[end:]]
    return "".join(out)


def _octets(words: list[re.Match[str]]) -> bytes:
    """Of neighbours; base64 that was cut without padding goes on in the next word."""
    found: list[bytes] = []
    rest = ""
    for word in words:
        text, is_base64 = word[3], word[2] in "bB"
        if rest and not is_base64:
            found.append(_of_base64(rest))
            rest = ""
        if not is_base64:
            found.append(binascii.a2b_qp(text.encode("utf-8", "replace"), header=True))
        elif (rest := rest + text.strip()).endswith("=") or len(rest) % 4 == 0:
            found.append(_of_base64(rest))
            rest = ""
    return b"".join((*found, _of_base64(rest)))


def _of_base64(text: str) -> bytes:
    return decode_base64(text.encode("utf-8", "replace"))[0]


def encode_words(text: str, *, first_octets: int = MAX_WORD_OCTETS) -> list[str]:
    """The text as UTF-8 encoded-words, to be parted by spaces; the first has at most `first_octets`, the others 75.

    No character is cut in two (RFC 2047 5). Q where that is shorter (Latin scripts), else B.
    """
    quoted = [_quote(character) for character in text]
    first, room = max(first_octets - _FRAME_OCTETS, 12), MAX_WORD_OCTETS - _FRAME_OCTETS
    if sum(map(len, quoted)) <= len(text.encode("utf-8")) * 4 / 3 + 4:
        return [_FRAME.format("q", word) for word in _pack(quoted, first, room)]
    runs = _pack(text, first // 4 * 3, room // 4 * 3)
    return [_FRAME.format("b", binascii.b2a_base64(run.encode("utf-8"), newline=False).decode("ascii")) for run in runs]


def _quote(character: str) -> str:
    if character == " ":
        return "_"
    return "".join(chr(octet) if octet in _SAFE else f"={octet:02X}" for octet in character.encode("utf-8"))


def _pack(units: Iterable[str], first: int, room: int) -> Iterator[str]:
    """The units joined into runs of at most `room` octets of UTF-8, the first run of at most `first`."""
    run: list[str] = []
    free = first
    for unit in units:
        size = len(unit.encode("utf-8"))
        if run and size > free:
            yield "".join(run)
            run, free = [], room
        run.append(unit)
        free -= size
    if run:
        yield "".join(run)
