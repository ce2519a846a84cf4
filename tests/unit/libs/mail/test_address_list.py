"""Mailboxes of header fields."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.mail.address_list import parse_addresses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("jean@example.org", [("", "jean@example.org")], id="bare"),
        pytest.param("<jean@example.org>", [("", "jean@example.org")], id="angle"),
        pytest.param("Jean Toto <jean@example.org>", [("Jean Toto", "jean@example.org")], id="atoms"),
        pytest.param('"Toto, Jean" <jean@example.org>', [("Toto, Jean", "jean@example.org")], id="quoted comma"),
        pytest.param(r'"J \"x\" \\" <j@x>', [('J "x" \\', "j@x")], id="quoted quotes"),
        pytest.param("a@x, B <b@y>,, c@z", [("", "a@x"), ("B", "b@y"), ("", "c@z")], id="list with an empty member"),
        pytest.param("jean@x (Jean (the) Toto)", [("Jean the Toto", "jean@x")], id="nested comment as a name"),
        pytest.param(r"(\) <x@evil>) a@x", [(") <x@evil>", "a@x")], id="quoted pair in a comment"),
        pytest.param(r"(\\) a@x", [("\\", "a@x")], id="quoted backslash at the end of a comment"),
        pytest.param(r"Pete(A nice \) chap) <a@x>", [("Pete", "a@x")], id="the comment of RFC 5322 A.5"),
        pytest.param('(") a@x (")', [('""', "a@x")], id="quotes in comments quote nothing"),
        pytest.param("(=?utf-8?q?)?=) a@x", [("?=)", "a@x")], id="an encoded word does not hide an end"),
        pytest.param("a(<)@(>)x, (,) b@(b@y)y", [("<>", "a@x"), (",b@y", "b@y")], id="punctuation in comments"),
        pytest.param("Friends: a@x, B <b@y>; c@z", [("", "a@x"), ("B", "b@y"), ("", "c@z")], id="group"),
        pytest.param("undisclosed-recipients:;", [], id="empty group"),
        pytest.param("=?utf-8?q?=C3=89t=C3=A9?= <j@x>", [("Été", "j@x")], id="encoded name"),
        pytest.param("=?utf-8?q?Toto,_Jean?= <j@x>, k@y", [("Toto, Jean", "j@x"), ("", "k@y")], id="comma in a word"),
        pytest.param("=?utf-8?q?a=40b=2C_c?= <j@x>", [("a@b, c", "j@x")], id="an encoded address is only a name"),
        pytest.param('"a@good.example" <b@evil.example>', [("a@good.example", "b@evil.example")], id="spoofed name"),
        pytest.param("<a@x> <b@y>", [("", "a@x"), ("", "b@y")], id="two angles are two mailboxes"),
        pytest.param("Jean <a@x, Marie <b@y>", [("Jean", "a@x"), ("Marie", "b@y")], id="bracket forgotten"),
        pytest.param("Jean <@a,@b:jean@x>", [("Jean", "jean@x")], id="source route"),
        pytest.param('"jean toto"@example.org', [("", '"jean toto"@example.org')], id="quoted local part"),
        pytest.param('J <"a,b"@x>', [("J", '"a,b"@x')], id="comma in a quoted local part"),
        pytest.param("jean @ example.org", [("", "jean@example.org")], id="spaces around the at sign"),
        pytest.param("Jean jean@example.org", [("Jean", "jean@example.org")], id="name without brackets"),
        pytest.param("jean@[IPv6:2001:db8::1], k@y", [("", "jean@[IPv6:2001:db8::1]"), ("", "k@y")], id="literal"),
        pytest.param("postmaster", [("", "postmaster")], id="no domain"),
        pytest.param("Jean <>", [("Jean", "")], id="null address with a name"),
        pytest.param('"never closed <a@x>', [("", '"never closed <a@x>')], id="open quote"),
        pytest.param("(never closed a@x", [], id="open comment"),
        pytest.param("", [], id="nothing"),
        pytest.param(" , ;:<>,", [], id="only punctuation"),
    ],
)
def test_mailboxes_are_read_as_clients_show_them(text: str, expected: list[tuple[str, str]]) -> None:
    assert parse_addresses(text, 100) == expected


@pytest.mark.parametrize("piece", [",", "<", "(", '"', "a@b ", "a <b@c>,", "\\", "[", "=?a?q?", "a:;", " @", "<@a,"])
def test_a_crafted_field_of_200_kb_is_read_in_one_pass(piece: str) -> None:
    assert len(parse_addresses(piece * (200_000 // len(piece)), 1_000)) <= 1_000


@given(st.text(max_size=60) | st.text('<>(),;:"\\@ab[]=?q. ', max_size=60))
def test_any_text_is_read_without_an_error(text: str) -> None:
    for display, address in parse_addresses(text, 5):
        assert display or address
        assert not set(display) & {"\r", "\n", "\0"}
