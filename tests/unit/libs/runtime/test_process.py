"""What ends a process before it has begun."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from libs.runtime import run
from libs.runtime.service import ServiceModule
from libs.runtime.shared import open_shared
from libs.settings import ServiceSettings, WrongSetting
from services.quota import app as quota
from services.relay import app as relay

WRONG = {
    "an unknown setting": ({"FACTEUR_QUOTA_WARN": "1"}, "environment FACTEUR_QUOTA_WARN: there is no such setting"),
    "two databases in one process": (
        {"FACTEUR_RELAY_MONGO_PREFIX": "other_"},
        "setting mongo_prefix: quota and relay share a process, and so this",
    ),
}


@pytest.mark.parametrize(("environ", "line"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_setting_is_one_line_and_nothing_was_opened(
    environ: dict[str, str], line: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    modules: tuple[ServiceModule, ...] = (quota, relay)
    with pytest.raises(SystemExit) as ended:
        run(*modules)
    assert ended.value.code == f"facteur: {line}"
    assert list(tmp_path.iterdir()) == []


TOKENS = {
    "missing": (None, "No such file or directory"),
    "empty": (b"\n", "holds no token"),
    "binary": (b"\xff\xfe", "holds no token"),
}


@pytest.mark.parametrize(("content", "why"), TOKENS.values(), ids=TOKENS.keys())
async def test_a_cluster_without_tokens_does_not_start(tmp_path: Path, content: bytes | None, why: str) -> None:
    (tmp_path / "admin-token").write_text("admin\n")
    if content is not None:
        (tmp_path / "store").write_bytes(content)
    urls = {"bus_url": "amqp://127.0.0.1:9/", "mongo_url": "mongodb://127.0.0.1:9/"}
    settings = ServiceSettings(var_dir=tmp_path, service_tokens_dir=tmp_path, **urls)
    with pytest.raises(WrongSetting) as raised:
        async with open_shared(settings, ["store"]):
            pytest.fail("it must not open")
    assert str(raised.value).startswith("tokens: ")
    assert f"{tmp_path}/store" in str(raised.value)
    assert why in str(raised.value)


async def test_one_token_file_is_for_a_process_of_one_service(tmp_path: Path) -> None:
    with pytest.raises(WrongSetting, match="it is for a process of one service"):
        async with open_shared(ServiceSettings(service_token_file=tmp_path / "own"), ["store", "quota"]):
            pytest.fail("it must not open")


def test_a_bus_that_is_none_is_told_before_anything_is_made(tmp_path: Path) -> None:
    async def opened() -> None:
        async with open_shared(ServiceSettings(var_dir=tmp_path / "var", bus_url="kafka://x"), ["store"]):
            pytest.fail("it must not open")

    with pytest.raises(ValueError, match="unknown scheme 'kafka'"):
        asyncio.run(opened())
    assert not (tmp_path / "var").exists()
