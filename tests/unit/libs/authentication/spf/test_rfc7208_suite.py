"""The openspf suite for RFC 7208: all its cases, none left out."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address

import pytest

from libs.authentication.spf import check_host
from libs.authentication.spf.evaluation import SpfSession
from libs.network import parsed
from tests.servers.spf_suite import Case, cases

CASES = list(cases())
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_there_are_all_of_them() -> None:
    assert len(CASES) == 203


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_the_result_is_what_the_rfc_demands(case: Case) -> None:
    sender = case.sender or f"postmaster@{case.helo}"
    local, _, domain = sender.rpartition("@")
    ip = parsed(case.ip) or ip_address(case.ip)
    session = SpfSession(ip, sender if local else f"postmaster@{domain}", case.helo, "unknown", NOW)
    spf = await check_host(domain, session, case.zone)
    assert spf.result.value in case.results, spf
    if case.explanation is not None:
        assert spf.explanation == ("" if case.explanation == "DEFAULT" else case.explanation)
