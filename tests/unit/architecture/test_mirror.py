"""A module has its unit test at the mirrored path, or its folder says where else it is tested."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[3]
# They only compose or declare: there is no rule to test in them.
WIRING = {"__init__", "__main__", "app", "compose", "opening", "ports", "schema", "settings"}

# Folder: how many of its modules may be without a unit test of their own, and what shows that they work.
# A number only goes down.
ELSEWHERE: dict[str, tuple[int, str]] = {
    "libs/authentication": (
        10,
        "tested with mail that another implementation signed, and in tests/integration/antispam",
    ),
    "libs/authentication/spf": (5, "held to the test suite of RFC 7208 in tests/unit/libs/authentication"),
    "libs/blobs": (4, "held to one contract in tests/contract/test_blobs.py"),
    "libs/bus": (4, "held to one contract in tests/contract/test_bus.py"),
    "libs/bus/embedded": (
        17,
        "held to one contract in tests/contract/test_bus.py, and to a model in tests/integration/bus",
    ),
    "libs/bus/rabbitmq": (12, "tested against a real broker in tests/contract/test_bus.py and tests/integration/bus"),
    "libs/dns": (
        5,
        "held to one contract in tests/contract/test_dns.py, and tested with faults in tests/integration/dns",
    ),
    "libs/envelope": (4, "tested with the envelope in test_model, test_framing and test_versions"),
    "libs/http": (
        22,
        "tested over sockets in tests/integration/http, and as a whole in test_application and test_strictness",
    ),
    "libs/lineserver": (6, "tested over sockets in tests/integration/lineserver and tests/integration/ingress"),
    "libs/mail": (8, "tested as a whole by what it reads: test_message, test_one_reading, test_render"),
    "libs/mongo": (4, "tested against a real mongod in tests/integration/mongo"),
    "libs/neighbours": (7, "tested against the services that they call, in tests/e2e and tests/integration"),
    "libs/network": (3, "tested over SMTP in tests/integration/ingress"),
    "libs/postmaster": (3, "tested through the letters of store and relay in tests/integration"),
    "libs/runtime": (8, "tested with real processes in tests/integration/runtime"),
    "libs/settings": (3, "tested together in test_loading and by tests/unit/tools"),
    "libs/tasks": (3, "tested through the shutdown of processes in tests/integration/runtime"),
    "libs/telemetry": (3, "tested over OTLP in tests/integration/telemetry"),
    "libs/tls": (3, "tested with handshakes in tests/integration/http"),
    "services": (3, "tested by tests/e2e, which starts the product"),
    "services/antispam/api": (16, "tested over HTTP in tests/integration/antispam"),
    "services/antispam/engines": (3, "tested against spamd and Rspamd in tests/integration/antispam"),
    "services/antispam/filtering": (
        7,
        "tested through the chain in tests/unit/services/antispam and the filters' own tests",
    ),
    "services/antispam/images": (4, "tested with worker processes in tests/integration/antispam"),
    "services/antispam/learning": (6, "tested against a real mongod in tests/integration/antispam"),
    "services/antispam/message": (3, "tested through the filters that read it, and with foreign and hostile mail"),
    "services/antispam/policy": (6, "tested against a real mongod in tests/integration/antispam"),
    "services/antispam/reputation": (9, "tested against a real mongod in tests/integration/antispam"),
    "services/antivirus": (6, "tested over queue and HTTP in tests/integration/antivirus"),
    "services/antivirus/adapters": (8, "tested against real engines and a real mongod in tests/integration/antivirus"),
    "services/antivirus/domain": (5, "tested through the formats that hold them: office, names, walk"),
    "services/antivirus/domain/containers": (5, "tested through the formats that hold them"),
    "services/ingress": (6, "tested over SMTP and HTTP in tests/integration/ingress"),
    "services/ingress/adapters": (4, "tested over HTTP in tests/integration/ingress"),
    "services/ingress/api": (4, "tested over HTTP in tests/integration/ingress"),
    "services/ingress/domain": (4, "tested over SMTP in tests/integration/ingress"),
    "services/ingress/smtp": (13, "tested over SMTP in tests/integration/ingress"),
    "services/quota": (5, "tested over HTTP in tests/integration/quota"),
    "services/quota/adapters": (5, "tested against a real mongod in tests/integration/quota"),
    "services/relay": (8, "tested over queue and SMTP in tests/integration/relay"),
    "services/relay/adapters": (14, "tested over SMTP and against a real mongod in tests/integration/relay"),
    "services/relay/domain": (7, "tested through the queue in tests/integration/relay"),
    "services/router": (6, "tested over queue and HTTP in tests/integration/router"),
    "services/router/adapters": (8, "tested against a real mongod in tests/integration/router"),
    "services/router/api": (12, "tested over HTTP in tests/integration/router"),
    "services/store/api": (12, "tested over HTTP in tests/integration/store and tests/integration/quarantine"),
    "services/store/mailboxes": (14, "tested against a real mongod in tests/integration/store"),
    "services/store/quarantine": (6, "tested by what people see in tests/integration/quarantine"),
}


def without_a_test() -> dict[str, list[str]]:
    """Return the modules without a test at the mirrored path, by folder."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted([*(ROOT / "libs").rglob("*.py"), *(ROOT / "services").rglob("*.py")]):
        place = path.relative_to(ROOT)
        if path.stem not in WIRING and not (ROOT / "tests/unit" / place.parent / f"test_{path.name}").is_file():
            found[place.parent.as_posix()].append(path.name)
    return found


def test_a_module_has_its_test_at_the_mirrored_path_or_a_reason() -> None:
    found = without_a_test()
    more = {
        folder: modules for folder, modules in found.items() if len(modules) > ELSEWHERE.get(folder, (0, "none"))[0]
    }
    assert more == {}, "write a test at the mirrored path below tests/unit"


def test_every_folder_with_a_reason_is_there() -> None:
    assert [folder for folder in ELSEWHERE if not (ROOT / folder).is_dir()] == []
