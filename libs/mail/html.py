"""What a person sees in an HTML mail, and where its links go: for filters, not for browsers; nothing here cleans HTML.

One pass of possessive patterns, so linear on any input, and never an error: HTML from spammers is seldom well formed.
Text that styles hide is kept, since what hides it differs from client to client and hiding is what spammers do.
"""

import html as entities
import re
from typing import NamedTuple

MAX_CHARACTERS = 512 * 1024  # of HTML that are read; honest mail has a tenth
MAX_LINKS = 1_000
MAX_URL = 4_096  # characters; longer ones are cut

_ATTRIBUTES = r"""((?:[^>=]++|=\s*+(?:"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z))?+)*+)(?:>|\Z)"""  # quotes count behind "=" only
# A comment, an element whose content is not shown, a tag, a declaration. Each takes what never ends, as browsers do.
_MARKUP = re.compile(
    r"<(?:!--(?:.*?-->|.*)"
    rf"|(?i:(script|style|title)(?![a-z0-9:-]){_ATTRIBUTES}.*?(?=</\1|\Z))"
    rf"|(/?)([a-zA-Z][a-zA-Z0-9:-]*+){_ATTRIBUTES}"
    r"|[!?/][^>]*+(?:>|\Z))",
    re.DOTALL,
)
_CLOSING, _TAG, _TAG_ATTRIBUTES = 3, 4, 5  # groups of it
_URL_ATTRIBUTE = re.compile(
    r"""(?<![^\s"'/])(?:href|src|action|background)\s*+=\s*+(?:"([^"]*+)|'([^']*+)|([^\s"'>]++))""", re.IGNORECASE
)
_BARE_URL = re.compile(r"\b(?:https?://|www\.)[^\s<>\"'\x00-\x20]++", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}(?![0-9])|#[xX][0-9a-fA-F]{1,6}(?![0-9a-fA-F])|[a-zA-Z][a-zA-Z0-9]{1,31});?")
_INVISIBLE = "\u00ad\u200b\u200c\u200d\u2060\ufeff"  # soft hyphen, zero widths

_INLINE = frozenset(
    re.findall(
        r"\w+",
        "a abbr acronym b bdi bdo big cite code del dfn em font i ins kbd mark q s samp small span strike strong"
        " sub sup tt u var wbr script style title",  # the end tags of the last three stand where nothing is shown
    )
)


class HtmlLink(NamedTuple):
    """A link: its target, its text (empty for images and forms), and its tag."""

    url: str
    text: str
    tag: str


def text_of_html(html: str) -> str:
    """The text that may be visible: entities decoded, white space collapsed, words broken by inline tags rejoined."""
    text = _decode_entities(_MARKUP.sub(_gap, html[:MAX_CHARACTERS]))
    if not text.isascii():
        for character in _INVISIBLE:  # seldom there: 4 microseconds of 4 KB, and `translate` takes 250
            text = text.replace(character, "")
    return " ".join(text.split())


def links(html: str) -> list[HtmlLink]:
    """Return at most 1,000 links in the order of the text: anchors, images, forms and everything that loads."""
    html = html[:MAX_CHARACTERS]
    found: list[HtmlLink] = []
    anchor, shown_from = "", 0
    for markup in _MARKUP.finditer(html):
        tag = (markup[_TAG] or "").lower()
        if tag == "a" and anchor:  # anchors do not nest: the next one, or the end tag, closes it
            found.append(HtmlLink(anchor, text_of_html(html[shown_from : markup.start()]), "a"))
            anchor = ""
        url = _url(markup[_TAG_ATTRIBUTES]) if tag and not markup[_CLOSING] else ""
        if url and tag == "a":
            anchor, shown_from = url, markup.end()
        elif url:
            found.append(HtmlLink(url, "", tag))
        if len(found) >= MAX_LINKS:
            return found
    return [*found, HtmlLink(anchor, text_of_html(html[shown_from:]), "a")] if anchor else found


def links_of_text(text: str) -> list[str]:
    """At most 1,000 URLs that clients make clickable in a plain text, without the punctuation behind them."""
    found: list[str] = []
    for match in _BARE_URL.finditer(text[:MAX_CHARACTERS]):
        found.append(match[0][:MAX_URL].rstrip(".,;:!?)]}"))
        if len(found) == MAX_LINKS:
            break
    return found


def _gap(markup: re.Match[str]) -> str:
    """A block tag parts words, an inline one or a comment does not: `V<b></b>iagra` is one word."""
    tag: str | None = markup[_TAG]
    return "" if tag is None or tag.lower() in _INLINE else " "


def _decode_entities(text: str) -> str:
    """Only entities of a sane length: Python's own takes any run of digits for a number and raises on a long one."""
    return _ENTITY.sub(lambda match: entities.unescape(match[0]), text) if "&" in text else text


def _url(attributes: str) -> str:
    """The first URL among the attributes of a tag, without the line breaks that browsers drop (WHATWG URL 4.4)."""
    if "=" not in attributes or not (match := _URL_ATTRIBUTE.search(attributes)):
        return ""
    value = (match[1] or match[2] or match[3] or "")[: 2 * MAX_URL]
    return re.sub(r"[\t\r\n]", "", _decode_entities(value)).strip()[:MAX_URL]
