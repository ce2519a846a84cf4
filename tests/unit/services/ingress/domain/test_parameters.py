"""Arguments of MAIL and RCPT as peers write them."""

from __future__ import annotations

import pytest

from services.ingress.domain.parameters import mail_arguments, rcpt_arguments
from services.ingress.domain.refusal import CommandRefused


def refusal_of_mail(text: str, *, extended: bool = True) -> str:
    with pytest.raises(CommandRefused) as refused:
        mail_arguments(text, extended=extended)
    return f"{refused.value.reply.code} {refused.value.reply.enhanced}"


def refusal_of_rcpt(text: str) -> str:
    with pytest.raises(CommandRefused) as refused:
        rcpt_arguments(text, extended=True, smtputf8=False)
    return f"{refused.value.reply.code} {refused.value.reply.enhanced}"


def test_all_parameters_of_mail_are_read() -> None:
    text = "FROM:<a@example.net> SIZE=1000 BODY=8BITMIME RET=HDRS ENVID=x+2By SMTPUTF8 AUTH=<>"
    asked = mail_arguments(text, extended=True)
    assert (asked.path.address, asked.size_bytes, asked.body_type) == ("a@example.net", 1000, "8BITMIME")
    assert (asked.ret, asked.envid, asked.smtputf8) == ("HDRS", "x+y", True)


def test_all_parameters_of_rcpt_are_read() -> None:
    asked = rcpt_arguments("TO:<a@example.org> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+40c", extended=True, smtputf8=False)
    assert (asked.path.address, asked.notify, asked.orcpt) == ("a@example.org", ("SUCCESS", "DELAY"), "rfc822;b@c")


@pytest.mark.parametrize("text", ["FROM:a@example.net", "from : < a@example.net >", "FROM:<@x.example:a@example.net>"])
def test_forms_of_old_senders_are_understood(text: str) -> None:
    assert mail_arguments(text, extended=False).path.address == "a@example.net"


def test_of_several_sizes_the_largest_counts() -> None:
    assert mail_arguments("FROM:<> SIZE=10 SIZE=20 SIZE=5", extended=True).size_bytes == 20


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("TO:<a@example.net>", "501 5.5.4"),
        ("FROM:<a@example.net", "501 5.5.4"),
        ("FROM:<a@example.net> SIZE=-1", "501 5.5.4"),
        ("FROM:<a@example.net> SIZE=1 BODY=9BIT", "501 5.5.4"),
        ("FROM:<a@example.net> RET=FULL RET=HDRS", "501 5.5.4"),
        ("FROM:<a@example.net> SMTPUTF8=1", "501 5.5.4"),
        ("FROM:<a@example.net> HOLDFOR=60", "555 5.5.4"),
        ("FROM:<a@@example.net>", "553 5.1.7"),
        ("FROM:<é@example.net>", "553 5.6.7"),
    ],
)
def test_what_mail_does_not_allow_is_refused(text: str, status: str) -> None:
    assert refusal_of_mail(text) == status


def test_without_ehlo_there_are_no_parameters() -> None:
    assert refusal_of_mail("FROM:<a@example.net> SIZE=1", extended=False) == "555 5.5.4"


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("TO:<a@example.org> NOTIFY=NEVER,DELAY", "501 5.5.4"),
        ("TO:<a@example.org> ORCPT=nobody", "501 5.5.4"),
        ("TO:<a@example.org> RET=FULL", "555 5.5.4"),
        ("TO:<a@>", "553 5.1.3"),
    ],
)
def test_what_rcpt_does_not_allow_is_refused(text: str, status: str) -> None:
    assert refusal_of_rcpt(text) == status


@pytest.mark.parametrize(
    "text",
    [
        "FROM:<a@example.net> AUTH=" + "x" * 501,
        "FROM:<a@example.net> SIZE=x",
        "FROM:<a@example.net> =x",
        "FROM:<a@example.net> RET",
        "FROM:<a@example.net> RET=ALL",
        "FROM:<a@example.net> ENVID=" + "x" * 101,
        "FROM:<a@example.net> ENVID=+00",
    ],
)
def test_a_malformed_parameter_of_mail_is_refused(text: str) -> None:
    assert refusal_of_mail(text) == "501 5.5.4"


@pytest.mark.parametrize(
    "text",
    [
        "TO:<a@example.org> NOTIFY=NEVER,SUCCESS",
        "TO:<a@example.org> NOTIFY=LATER",
        "TO:<a@example.org> ORCPT=a@example.org",
        "TO:<a@example.org> ORCPT=rfc822;é@example.org",
        "TO:<a@example.org> ORCPT=rfc822;" + "x" * 500,
        "TO:<a@example.org> ORCPT=rfc822;a+0Ab@example.org",
    ],
)
def test_a_malformed_parameter_of_rcpt_is_refused(text: str) -> None:
    assert refusal_of_rcpt(text) == "501 5.5.4"


def test_parameters_need_ehlo_and_a_path_has_no_tab() -> None:
    assert refusal_of_mail("FROM:<a@example.net> SIZE=1", extended=False) == "555 5.5.4"
    assert refusal_of_mail("FROM:<a\tb@example.net>").startswith("5")


def test_an_internationalised_orcpt_is_kept_in_its_ascii_form() -> None:
    asked = rcpt_arguments("TO:<a@example.org> ORCPT=utf-8;é@example.org", extended=True, smtputf8=True)
    assert asked.orcpt == r"utf-8;\x{E9}@example.org"
