"""Envelope addresses: strict reading, one normal form."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.mail.address import (
    InvalidAddress,
    NeedsSmtputf8,
    Path,
    canonical,
    domain_of,
    needs_smtputf8,
    normalise,
    normalise_domain,
    parse_path,
    split,
)

LOCAL_64 = "l" * 64
DOMAIN_187 = ".".join(["d" * 61] * 3) + ".d"  # with a local part of 64 and the "@" a mailbox of 252 octets


@pytest.mark.parametrize(
    ("text", "address"),
    [
        pytest.param("jean@example.org", "jean@example.org", id="plain"),
        pytest.param("<jean@example.org>", "jean@example.org", id="in brackets"),
        pytest.param(
            "Jean.Toto+tag@EXAMPLE.Org", "Jean.Toto+tag@example.org", id="domain lower-cased, local part kept"
        ),
        pytest.param('"jean toto"@example.org', '"jean toto"@example.org', id="quoted local part"),
        pytest.param('"jean"@example.org', "jean@example.org", id="needless quotes"),
        pytest.param(r'"je\an"@example.org', "jean@example.org", id="needless backslash"),
        pytest.param(r'"a\"b\\c"@example.org', r'"a\"b\\c"@example.org', id="needed backslashes"),
        pytest.param('"user@foreign"@example.org', '"user@foreign"@example.org', id="an at sign in quotes is ours"),
        pytest.param("user%foreign.net@example.org", "user%foreign.net@example.org", id="percent is a plain character"),
        pytest.param("foreign!user@example.org", "foreign!user@example.org", id="bang is a plain character"),
        pytest.param("jean@[192.0.2.1]", "jean@[192.0.2.1]", id="IPv4 literal"),
        pytest.param("jean@[ipv6:2001:DB8:0::1]", "jean@[IPv6:2001:db8::1]", id="IPv6 literal"),
        pytest.param("root@localhost", "root@localhost", id="one label"),
        pytest.param("a@xn--mnchen-3ya.de", "a@xn--mnchen-3ya.de", id="A-label"),
        pytest.param(f"{LOCAL_64}@example.org", f"{LOCAL_64}@example.org", id="local part of 64 octets"),
        pytest.param(f"{LOCAL_64}@{DOMAIN_187}", f"{LOCAL_64}@{DOMAIN_187}", id="path of 254 octets with brackets"),
        pytest.param("", "", id="null path"),
        pytest.param("<>", "", id="null path in brackets"),
        pytest.param("<PostMaster>", "postmaster", id="postmaster without domain"),
        pytest.param("@a.example,@b.example:jean@example.org", "jean@example.org", id="source route ignored"),
        pytest.param("user..name@docomo.example", '"user..name"@docomo.example', id="two dots"),
        pytest.param("user.@docomo.example", '"user."@docomo.example', id="dot before the at sign"),
        pytest.param(".jean@example.org", '".jean"@example.org', id="leading dot"),
        pytest.param("...@example.org", '"..."@example.org', id="dots alone"),
        pytest.param('"user..name"@docomo.example', '"user..name"@docomo.example', id="two dots, quoted"),
        pytest.param("bounces@em_12.sender.example", "bounces@em_12.sender.example", id="underscore in the domain"),
        pytest.param("a@_dmarc.example.org", "a@_dmarc.example.org", id="leading underscore"),
        pytest.param("l" * 65 + "@example.org", "l" * 65 + "@example.org", id="local part of 65 octets"),
        pytest.param("l" * 242 + "@example.org", "l" * 242 + "@example.org", id="local part up to the path's limit"),
        pytest.param(
            "IMCEAEX-_O=ORG_OU=EXCHANGE+20ADMINISTRATIVE+20GROUP+20+28FYDIBOHF23SPDLT+29_CN=RECIPIENTS@example.org",
            "IMCEAEX-_O=ORG_OU=EXCHANGE+20ADMINISTRATIVE+20GROUP+20+28FYDIBOHF23SPDLT+29_CN=RECIPIENTS@example.org",
            id="Exchange's own",
        ),
    ],
)
def test_a_lawful_path_is_read_into_normal_form(text: str, address: str) -> None:
    assert parse_path(text).address == address


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("jean", id="no domain"),
        pytest.param("@example.org", id="no local part"),
        pytest.param("jean@", id="empty domain"),
        pytest.param("user@ours.example@foreign.example", id="two at signs"),
        pytest.param("user@foreign.example.", id="trailing dot"),
        pytest.param("jean@example..org", id="empty label"),
        pytest.param("jean@.example.org", id="empty first label"),
        pytest.param("jean toto@example.org", id="space without quotes"),
        pytest.param('"jean@example.org', id="quote never closed"),
        pytest.param('"jean"toto@example.org', id="text behind the quotes"),
        pytest.param('"jean"xexample.org', id="quotes without an at sign"),
        pytest.param("jean@-example.org", id="label starts with a hyphen"),
        pytest.param("jean@192.0.2.1", id="IP address without brackets"),
        pytest.param("jean@[192.0.2.256]", id="literal that is no IP address"),
        pytest.param("jean@[IPv6:fe80::1%eth0]", id="literal with a zone"),
        pytest.param("jean@[192.0.2.1", id="literal never closed"),
        pytest.param("jean@[tag:content]", id="literal with an unregistered tag"),
        pytest.param("l" * 243 + "@example.org", id="local part beyond the path's limit"),
        pytest.param(f"{'l' * 240}..@example.org", id="beyond the path's limit with the quotes that it needs"),
        pytest.param("a@" + ".".join(["d" * 63] * 4), id="domain of 255 octets makes a path over 256"),
        pytest.param(f"{LOCAL_64}@{DOMAIN_187}xyz", id="path of 257 octets"),
        pytest.param("a@" + "d" * 64 + ".org", id="label of 64 octets"),
        pytest.param("@a.example jean@example.org", id="source route without colon"),
        pytest.param("@a.example:", id="source route to nobody"),
        pytest.param("@:jean@example.org", id="source route with an empty hop"),
        pytest.param("<jean@example.org", id="bracket never closed"),
        pytest.param("jean\x00@example.org", id="NUL"),
        pytest.param("jean@example.org\r", id="bare CR"),
        pytest.param("jean@example.org\nRCPT TO:<x@y>", id="injected command"),
        pytest.param('"je\tan"@example.org', id="TAB in quotes"),
        pytest.param("je\x1ban@example.org", id="ESC"),
        pytest.param("je\udcffan@example.org", id="octet 0xFF"),
        pytest.param("je\u200ban@example.org", id="zero-width space"),
        pytest.param("je\u202ean@example.org", id="bidi override"),
    ],
)
@pytest.mark.parametrize("smtputf8", [False, True])
def test_what_is_no_address_is_refused(text: str, smtputf8: bool) -> None:
    with pytest.raises(InvalidAddress) as refusal:
        parse_path(text, smtputf8=smtputf8)
    assert str(refusal.value).isprintable()


def test_a_final_dot_is_taken_where_the_caller_allows_it() -> None:
    for text in ("user@foreign.example.", "<user@foreign.example.>", "user@foreign.example。"):
        assert parse_path(text, smtputf8=True, root_dot=True).address == "user@foreign.example"
    for text in ("user@foreign.example..", "user@.", "user@[192.0.2.1]."):
        with pytest.raises(InvalidAddress):
            parse_path(text, root_dot=True)
    assert parse_path("", root_dot=True).is_null


def test_an_address_in_unicode_needs_smtputf8() -> None:
    with pytest.raises(NeedsSmtputf8):
        parse_path("jéan@münchen.de")
    assert parse_path("jéan@münchen.de", smtputf8=True).address == "jéan@xn--mnchen-3ya.de"


@pytest.mark.parametrize(
    ("domain", "normal"),
    [
        pytest.param("MÜNCHEN.de", "xn--mnchen-3ya.de", id="upper case"),
        pytest.param("münchen。de", "xn--mnchen-3ya.de", id="ideographic full stop"),
        pytest.param("ｅｘａｍｐｌｅ.org", "example.org", id="full-width letters"),
        pytest.param("em_1.münchen.de", "em_1.xn--mnchen-3ya.de", id="underscore beside a label in unicode"),
    ],
)
def test_a_domain_in_unicode_becomes_a_labels(domain: str, normal: str) -> None:
    assert normalise_domain(domain) == normal


@pytest.mark.parametrize("domain", ["mün chen.de", "münchen.de。", "ü" * 300, "xn--ü.de", "a\u0338.ü_.de"])
def test_a_domain_that_idna_forbids_is_refused(domain: str) -> None:
    with pytest.raises(InvalidAddress):
        normalise_domain(domain)


def test_a_path_tells_what_it_is() -> None:
    assert parse_path("<>").is_null
    assert not parse_path("<>").is_postmaster
    assert parse_path("<postmaster>").is_postmaster
    assert parse_path("@a.example:Jean@Example.org") == Path(
        local="Jean", domain="example.org", route="@a.example", original="@a.example:Jean@Example.org"
    )


def test_our_lookups_know_no_case_and_one_unicode_form() -> None:
    assert canonical("Jean.Toto@Example.ORG") == "jean.toto@example.org"
    assert canonical("JE\u0301AN@example.org") == canonical("jéan@example.org")


def test_a_normal_address_is_split_at_its_last_at_sign() -> None:
    assert split('"a@b"@example.org') == ('"a@b"', "example.org")
    assert domain_of("jean@example.org") == "example.org"
    for text in ("", "jean", "@example.org", "jean@"):
        with pytest.raises(InvalidAddress):
            split(text)


def test_normalise_takes_no_path_without_a_mailbox() -> None:
    for text in ("", "postmaster", "<jean@example.org>", "@a.example:jean@example.org"):
        with pytest.raises(InvalidAddress):
            normalise(text)


def test_only_a_local_part_in_unicode_needs_smtputf8_once_normal() -> None:
    assert needs_smtputf8("jean@münchen.de")
    assert not needs_smtputf8(normalise("jean@münchen.de"))
    assert needs_smtputf8(normalise("jéan@münchen.de"))


@given(st.text(max_size=80) | st.from_regex(r'["a-zA-Zé.\\ ]{0,9}@[a-zA-Zü.\[\]:0-9-]{0,12}', fullmatch=True))
def test_any_text_is_an_address_in_normal_form_or_refused(text: str) -> None:
    try:
        address = normalise(text)
    except InvalidAddress:
        return
    assert normalise(address) == address
    assert canonical(canonical(address)) == canonical(address)
    assert parse_path(address, smtputf8=True).address == address
    assert address.isprintable()
    assert domain_of(address).isascii()


_characters = st.sampled_from('ab.A_-+%!/= "\\@é\u0130。') | st.characters(codec="utf-8", max_codepoint=0x2FF)


@settings(max_examples=300, deadline=None)
@given(st.text(_characters, min_size=1, max_size=12), st.text(_characters, min_size=1, max_size=12))
def test_what_comes_out_is_strict_and_its_own_normal_form(local: str, domain: str) -> None:
    for text in (f"{local}@{domain}", f'"{local}"@example.org', f"{local}@example.org", f"a@{domain}"):
        try:
            normal = normalise(text)
        except InvalidAddress:
            continue
        assert normalise(normal) == normal
        assert canonical(canonical(normal)) == canonical(normal)
        assert parse_path(f"<{normal}>", smtputf8=True).address == normal
        assert len(normal.encode()) <= 254
        head, tail = split(normal)
        assert STRICT_LOCAL.fullmatch(head)
        assert tail.isascii()
        assert not tail.endswith(".")


STRICT_LOCAL = re.compile(r'[^\s"@.]+(?:\.[^\s"@.]+)*|"(?:[^"\\]|\\.)*"')  # RFC 5321 4.1.2
