"""The example engine finds its virus in octets and in encoded parts, and nothing else."""

from __future__ import annotations

from base64 import encodebytes

import pytest

from libs.mail.message import parse
from services.antivirus.adapters.eicar import _TEST_FILE, EicarEngine
from services.antivirus.domain.engine_address import EngineAddress
from services.antivirus.ports import ScanItem

ENCODED = b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n" + encodebytes(
    _TEST_FILE
)


@pytest.mark.parametrize(("octets", "names"), [(_TEST_FILE, ["Eicar-Test-File"]), (b"Subject: x\r\n\r\nx\r\n", [])])
async def test_the_test_file_is_found(octets: bytes, names: list[str]) -> None:
    engine = EicarEngine("eicar")
    assert [each.name for each in await engine.scan(ScanItem(octets))] == names


async def test_the_test_file_is_found_in_an_encoded_part() -> None:
    engine = EicarEngine("eicar")
    assert [each.name for each in await engine.scan(ScanItem(ENCODED, parse(ENCODED)))] == ["Eicar-Test-File"]


def test_its_address_is_understood() -> None:
    assert EngineAddress.read("eicar").kind == "eicar"
