"""Settings from environment, TOML and defaults."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Self

import pytest
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from libs.settings import API_PORTS, ServiceSettings, WrongSetting, load


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")

    size: int = 1


class Settings(ServiceSettings):
    """Of a service like any other."""

    prefetch: int = Field(50, ge=1)
    lists: tuple[str, ...] = ()
    part: Part = Part()
    signing: SecretStr = SecretStr("")
    pause: timedelta = timedelta(seconds=1)
    low: int = 0
    high: int = 9

    @model_validator(mode="after")
    def in_order(self) -> Self:
        if self.low > self.high:
            raise ValueError("low must not be above high")
        return self


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "facteur.toml"


def loaded(environ: Mapping[str, str], file: Path | None = None, text: str = "") -> Settings:
    if file is None:
        return load(Settings, "router", environ)
    file.write_text(text)
    return load(Settings, "router", {"FACTEUR_CONFIG": str(file), **environ})


SOURCES = (
    # from the strongest to the weakest; each is there together with all below it
    ({"FACTEUR_ROUTER_HOSTNAME": "own.env", "FACTEUR_HOSTNAME": "all.env"}, "own.env"),
    ({"FACTEUR_HOSTNAME": "all.env"}, "all.env"),
)
FILES = (
    ('hostname = "all.toml"\n[router]\nhostname = "own.toml"', "own.toml"),
    ('hostname = "all.toml"', "all.toml"),
    ("", "localhost"),
)


@pytest.mark.parametrize(("environ", "expected"), SOURCES, ids=["own variable", "common variable"])
@pytest.mark.parametrize("text", [text for text, _ in FILES], ids=["own table", "top level", "nothing in the file"])
def test_the_environment_beats_the_file(file: Path, environ: dict[str, str], expected: str, text: str) -> None:
    assert loaded(environ, file, text).hostname == expected


@pytest.mark.parametrize(("text", "expected"), FILES, ids=["own table", "top level", "default"])
def test_the_own_table_beats_the_top_level_beats_the_default(file: Path, text: str, expected: str) -> None:
    assert loaded({}, file, text).hostname == expected


def test_settings_of_other_services_are_theirs(file: Path) -> None:
    settings = loaded(
        {"FACTEUR_STORE_HOSTNAME": "store", "PATH": "/bin"}, file, '[store]\nhostname = "s"\nanything = 1'
    )
    assert settings.hostname == "localhost"


VALUES = {
    "a number": ({"FACTEUR_ROUTER_PREFETCH": "7"}, "prefetch", 7),
    "a list, as JSON": ({"FACTEUR_ROUTER_LISTS": '["a", "b"]'}, "lists", ("a", "b")),
    "a table, as JSON": ({"FACTEUR_ROUTER_PART": '{"size": 3}'}, "part", Part(size=3)),
    "a time in seconds": ({"FACTEUR_ROUTER_PAUSE": "1.5"}, "pause", timedelta(seconds=1.5)),
    "a time by the clock": ({"FACTEUR_ROUTER_PAUSE": "00:01:30"}, "pause", timedelta(seconds=90)),
    "a time by ISO 8601": ({"FACTEUR_ROUTER_PAUSE": "PT90S"}, "pause", timedelta(seconds=90)),
    "an address in brackets": ({"FACTEUR_HOSTNAME": "[::1]"}, "hostname", "[::1]"),
}


@pytest.mark.parametrize(("environ", "field", "value"), VALUES.values(), ids=VALUES.keys())
def test_the_environment_gives_typed_values(environ: dict[str, str], field: str, value: object) -> None:
    assert getattr(loaded(environ), field) == value


WRONG_VARIABLES = {
    "no such setting": ({"FACTEUR_PREFETSCH": "1"}, "FACTEUR_PREFETSCH", "no such setting"),
    "no such setting of the service": ({"FACTEUR_ROUTER_X": "1"}, "FACTEUR_ROUTER_X", "no such setting"),
    "nothing behind the service": ({"FACTEUR_ROUTER": "1"}, "FACTEUR_ROUTER", "no such setting"),
    "a setting of the service, for all": ({"FACTEUR_PREFETCH": "1"}, "FACTEUR_PREFETCH", "no such setting"),
    "a word for a number": ({"FACTEUR_ROUTER_PREFETCH": "many"}, "router.prefetch", "'many'"),
    "below the least": ({"FACTEUR_ROUTER_PREFETCH": "0"}, "router.prefetch", "'0'"),
    "a name for an address": ({"FACTEUR_DNS_SERVERS": '["localhost"]'}, "router.dns_servers", "localhost"),
    "not JSON": ({"FACTEUR_ROUTER_LISTS": '["a"'}, "router.lists", "JSON"),
    "a list without brackets": ({"FACTEUR_ROUTER_LISTS": "a,b"}, "router.lists", "'a,b'"),
    "an unknown key in a table": ({"FACTEUR_ROUTER_PART": '{"sise": 3}'}, "router.part.sise", "no such setting"),
    "a time without unit": ({"FACTEUR_ROUTER_PAUSE": "soon"}, "router.pause", "'soon'"),
    "a time without end": ({"FACTEUR_ROUTER_PAUSE": "1e999"}, "router.pause", "'1e999'"),
    "a level that is none": ({"FACTEUR_LOG_LEVEL": "loud"}, "log_level", "'debug', 'info'"),
    "two that contradict each other": ({"FACTEUR_ROUTER_LOW": "10"}, "settings of router", "low must not be above"),
    "a port base that leads nowhere": ({"FACTEUR_PORT_BASE": "40001"}, "port_base", "less than or equal"),
    "a place holder that nobody fills": ({"FACTEUR_NEIGHBOUR_URL": "http://{host}"}, "neighbour_url", "{service}"),
}
WRONG_FILES = {
    "no such table": ("[routr]\nprefetch = 1", "[routr]"),
    "no such common setting": ("prefetch = 1", "prefetch"),
    "no such setting in the table": ("[router]\nprefetsch = 1", "router.prefetsch"),
    "a service that is no table": ("router = 1", "[router]"),
    "another service that is no table": ("store = 1", "store"),
    "a word for a number": ("[router]\nprefetch = 'many'", "router.prefetch"),
    "no TOML": ("prefetch: 1\n", "facteur.toml"),
}


def one_line(error: WrongSetting) -> str:
    text = str(error)
    assert text.count("\n") == 0
    assert text.strip()
    return text


@pytest.mark.parametrize(("environ", "name", "why"), WRONG_VARIABLES.values(), ids=WRONG_VARIABLES.keys())
def test_a_wrong_variable_is_one_line_that_names_it(environ: dict[str, str], name: str, why: str) -> None:
    with pytest.raises(WrongSetting) as raised:
        loaded(environ)
    assert name in one_line(raised.value)
    assert why in str(raised.value)


@pytest.mark.parametrize(("text", "name"), WRONG_FILES.values(), ids=WRONG_FILES.keys())
def test_a_wrong_file_is_one_line_that_names_what_is_wrong(file: Path, text: str, name: str) -> None:
    with pytest.raises(WrongSetting) as raised:
        loaded({}, file, text)
    assert name in one_line(raised.value)


def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b'hostname = "caf\xe9"')
    for name, why in (("missing.toml", "No such file"), ("", "directory"), ("latin.toml", "UTF-8")):
        with pytest.raises(WrongSetting) as raised:
            load(Settings, "router", {"FACTEUR_CONFIG": str(tmp_path / name)})
        assert why in one_line(raised.value)
        assert str(tmp_path / name) in str(raised.value)


SECRETS = {
    "a secret by its type": {"FACTEUR_ROUTER_SIGNING": '["hunter2"]'},
    "an address with a password": {"FACTEUR_BUS_URL": '["amqp://user:hunter2@host"]'},
    "beside two that contradict each other": {"FACTEUR_ROUTER_SIGNING": "hunter2", "FACTEUR_ROUTER_LOW": "10"},
}


@pytest.mark.parametrize("environ", SECRETS.values(), ids=SECRETS.keys())
def test_an_error_shows_no_secret(environ: dict[str, str]) -> None:
    with pytest.raises(WrongSetting) as raised:
        loaded(environ)
    assert "hunter2" not in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__


def test_settings_that_are_printed_show_no_secret() -> None:
    environ = {
        "FACTEUR_ROUTER_SIGNING": "hunter2",
        "FACTEUR_BUS_URL": "amqp://user:hunter2@host",
        "FACTEUR_MONGO_URL": "mongodb://user:hunter2@host",
    }
    settings = loaded(environ)
    assert "hunter2" in settings.bus_url
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in str(settings)


def test_settings_never_change() -> None:
    with pytest.raises(ValidationError):
        loaded({}).hostname = "other"  # type: ignore[misc]


def test_everything_that_embedded_mode_keeps_is_in_var_dir() -> None:
    moved = loaded({"FACTEUR_VAR_DIR": "/srv/facteur"})
    assert moved.bus_url == "embedded:/srv/facteur/bus"
    assert moved.mongo_url == "embedded:/srv/facteur/mongo"
    assert moved.blobs_url == "file:/srv/facteur/blobs"
    assert moved.admin_token_file == Path("/srv/facteur/admin-token")
    assert loaded({}).bus_url == "embedded:var/bus"
    assert loaded({"FACTEUR_VAR_DIR": "/x", "FACTEUR_BUS_URL": "amqp://b"}).bus_url == "amqp://b"


def test_neighbours_are_found_by_name_and_port() -> None:
    assert loaded({"FACTEUR_PORT_BASE": "1000"}).url_of("store") == "http://127.0.0.1:9005"
    cluster = loaded({"FACTEUR_NEIGHBOUR_URL": "http://{service}.mail:{port}"})
    assert cluster.url_of("quota") == f"http://quota.mail:{API_PORTS['quota']}"


OPEN_APIS = {
    "all of IPv4": "0.0.0.0",
    "all of IPv6": '["::1", "::"]',
    "one address": '["127.0.0.1", "192.0.2.1"]',
}


@pytest.mark.parametrize("addresses", OPEN_APIS.values(), ids=OPEN_APIS.keys())
def test_a_public_api_without_tls_must_be_wanted(addresses: str, tmp_path: Path) -> None:
    environ = {"FACTEUR_API_ADDRESSES": addresses}
    with pytest.raises(WrongSetting, match=r"api_addresses: .* is not a loopback address"):
        loaded(environ)
    assert loaded({**environ, "FACTEUR_API_PLAINTEXT": "true"}).api_addresses
    assert loaded({**environ, "FACTEUR_API_CERTIFICATE_FILE": str(tmp_path / "pem")}).api_addresses


def test_one_address_needs_no_list() -> None:
    assert loaded({"FACTEUR_API_ADDRESSES": "::1"}).api_addresses == ("::1",)


@pytest.mark.parametrize(
    ("text", "addresses"),
    [("0.0.0.0", ("0.0.0.0",)), ('["0.0.0.0", "::"]', ("0.0.0.0", "::")), ("::1", ("::1",))],
)
def test_listeners_bind_one_address_or_a_list_of_them(text: str, addresses: tuple[str, ...]) -> None:
    assert loaded({"FACTEUR_HOST": text}).host == addresses
    with pytest.raises(WrongSetting, match="host"):
        loaded({"FACTEUR_HOST": "[]"})
