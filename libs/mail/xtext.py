"""xtext (RFC 3461 4): the encoding of ENVID and ORCPT as parameters of SMTP.

The envelope holds them decoded; relay encodes them again when it passes them on.
"""

import re

_HEX = re.compile(r"\+([0-9A-Fa-f]{2})")
_NEEDY = re.compile(r"[^!-*,-<>-~]")  # all but printable ASCII without `+` and `=`


def decode(text: str) -> str:
    """What an xtext says. A `+` that begins no pair of hex digits stands for itself: senders forget to encode it.

    Octets that are not UTF-8 become U+FFFD. The caller refuses control characters.
    """
    if "+" not in text:
        return text
    octets = bytearray()
    end = 0
    for match in _HEX.finditer(text):
        octets += text[end : match.start()].encode("utf-8", "replace")
        octets.append(int(match[1], 16))
        end = match.end()
    octets += text[end:].encode("utf-8", "replace")
    return octets.decode("utf-8", "replace")


def encode(text: str) -> str:
    """The xtext that says `text`: printable ASCII, never a space, `+` and `=` encoded."""
    return _NEEDY.sub(lambda match: "".join(f"+{octet:02X}" for octet in match[0].encode("utf-8", "replace")), text)


def encode_orcpt(text: str) -> str:
    """A decoded ORCPT as a parameter: its type (RFC 3461 4.2) stays as it is."""
    kind, semicolon, address = text.partition(";")
    return f"{kind};{encode(address)}" if semicolon else f"rfc822;{encode(text)}"
