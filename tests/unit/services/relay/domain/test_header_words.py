"""Fields of a header in ASCII."""

from __future__ import annotations

import pytest

from services.relay.domain.header_words import CannotConvert, field_name, fields_of, seven_bit_field, unfolded


def test_a_header_block_is_split_with_the_folded_lines_of_each_field() -> None:
    assert fields_of(b"A: 1\r\n 2\r\nB: 3") == [b"A: 1\r\n 2\r\n", b"B: 3\r\n"]
    assert fields_of(b"") == []
    assert field_name(b"Subject : x\r\n") == b"subject"


def test_octets_that_are_not_utf8_are_windows_1252() -> None:
    assert unfolded("Subject: été €\r\n".encode("cp1252")) == "été €"
    assert unfolded("Subject: é\r\n à\r\n".encode()) == "é à"


@pytest.mark.parametrize("field", ["é: x\r\n", ": é\r\n"])
def test_a_field_without_a_valid_name_is_dropped(field: str) -> None:
    assert seven_bit_field(field.encode()) == b""


def test_a_parameter_takes_the_form_of_rfc_2231() -> None:
    converted = seven_bit_field('Content-Disposition: attachment; filename="é.txt"; size=1\r\n'.encode())
    assert b"filename*=utf-8''%C3%A9.txt; size=1" in converted


def test_an_address_that_is_not_ascii_has_no_other_form() -> None:
    with pytest.raises(CannotConvert, match="an address is not ASCII"):
        seven_bit_field("To: é@example.org\r\n".encode())
