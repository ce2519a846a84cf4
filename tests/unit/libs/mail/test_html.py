"""Visible text and links of HTML."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.mail.html import MAX_CHARACTERS, HtmlLink, links, links_of_text, text_of_html


@pytest.mark.parametrize(
    ("html", "text"),
    [
        pytest.param("<p>Hello</p><p>there</p>", "Hello there", id="blocks part words"),
        pytest.param("V<b></b>i<!-- x -->agra", "Viagra", id="inline tags and comments do not"),
        pytest.param("a<br>b<BR/>c", "a b c", id="line breaks"),
        pytest.param("caf&eacute; &amp; th&#233; &#xe9;", "café & thé é", id="entities"),
        pytest.param("&lt;script&gt;x", "<script>x", id="an entity makes no tag"),
        pytest.param("a&" + "#" + "9" * 5_000 + ";", "a&#" + "9" * 5_000 + ";", id="a number beyond reason"),
        pytest.param("&nosuch; AT&T", "&nosuch; AT&T", id="no entity"),
        pytest.param(
            "<style>p{}</style>a<script>var x='<p>';</script >b<title>t</title>", "ab", id="what is not shown"
        ),
        pytest.param("<!--<script>-->shown", "shown", id="a script in a comment hides nothing"),
        pytest.param('<a title="<script>">shown', "shown", id="a script in an attribute hides nothing"),
        pytest.param("<scripty>shown</scripty>", "shown", id="a tag that only starts like script"),
        pytest.param('<a title="a>b">c', "c", id="angle in quotes"),
        pytest.param('<p">shown "x" </p>', 'shown "x"', id="stray quote in a tag"),
        pytest.param("1 < 2 and 3 > 2", "1 < 2 and 3 > 2", id="angles that are no tags"),
        pytest.param("a<!-- never closed", "a", id="open comment"),
        pytest.param("a<script>never closed", "a", id="open script"),
        pytest.param("a<p never closed", "a", id="open tag"),
        pytest.param("<!DOCTYPE html><?xml x?>a", "a", id="declarations"),
        pytest.param("V\u200bia\u00adgra", "Viagra", id="characters that are not seen"),
        pytest.param("a &nbsp;\r\n\t b", "a b", id="white space"),
        pytest.param('<p style="display:none">hidden</p>', "hidden", id="hidden text is kept"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_text_is_what_may_be_visible(html: str, text: str) -> None:
    assert text_of_html(html) == text


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        pytest.param(
            '<a href="http://x.example/">go <b>there</b></a>', [HtmlLink("http://x.example/", "go there", "a")], id="a"
        ),
        pytest.param(
            "<A class=x HREF=http://x.example>y", [HtmlLink("http://x.example", "y", "a")], id="unquoted, open"
        ),
        pytest.param("<a href='a?x=1&amp;y=2'>z</a>", [HtmlLink("a?x=1&y=2", "z", "a")], id="entity in a URL"),
        pytest.param(
            '<a href=" java\nscript:x ">z</a>', [HtmlLink("javascript:x", "z", "a")], id="line break in a URL"
        ),
        pytest.param(
            "<a href=b>c<a href=d>e</a>", [HtmlLink("b", "c", "a"), HtmlLink("d", "e", "a")], id="anchors do not nest"
        ),
        pytest.param('<img alt="x" src="cid:1"/>', [HtmlLink("cid:1", "", "img")], id="image"),
        pytest.param("<form action=http://x>", [HtmlLink("http://x", "", "form")], id="form"),
        pytest.param(
            '<a href="http://good.example" data-href=x>http://good.example</a>',
            [HtmlLink("http://good.example", "http://good.example", "a")],
            id="data attribute is none",
        ),
        pytest.param("<a name=x>y</a><p>z", [], id="no link"),
        pytest.param("<!-- <a href=x> --><script>'<a href=y>'</script>", [], id="in comments and scripts"),
    ],
)
def test_links_are_found_with_what_is_shown_for_them(html: str, expected: list[HtmlLink]) -> None:
    assert links(html) == expected


def test_bare_urls_are_found_in_text() -> None:
    text = "See http://a.example/x?y=1, (www.b.example) or <HTTPS://c.example>."
    assert links_of_text(text) == ["http://a.example/x?y=1", "www.b.example", "HTTPS://c.example"]


def test_what_is_read_is_bounded() -> None:
    assert len(text_of_html("x" * (MAX_CHARACTERS + 1))) == MAX_CHARACTERS
    assert len(links("<a href=x>" * 5_000)) == 1_000
    assert len(links_of_text("http://x " * 5_000)) == 1_000
    assert len(links_of_text("http://" + "x" * 1_000_000)[0]) == 4_096
    assert len(links('<a href="' + "x" * 400_000 + '">y')[0].url) == 4_096


PIECES = [
    "<",
    "<a ",
    '<a="',
    "<a =",
    "<!--",
    "<script>",
    "<script></script  ",
    "&",
    "&a",
    "<a href='",
    "</",
    "<!",
    "http://",
]


@pytest.mark.parametrize("piece", PIECES)
def test_crafted_html_of_500_kb_is_read_in_one_pass(piece: str) -> None:
    html = piece * (MAX_CHARACTERS // len(piece))
    assert len(text_of_html(html)) <= MAX_CHARACTERS
    assert len(links(html)) <= 1_000
    assert len(links_of_text(html)) <= 1_000


@given(st.text(max_size=80) | st.lists(st.sampled_from([*PIECES, ">", '"', "x", "-->", "href=y"])).map("".join))
def test_any_text_is_read_without_an_error(html: str) -> None:
    assert len(text_of_html(html)) <= len(html)
    assert all(link.url for link in links(html))
