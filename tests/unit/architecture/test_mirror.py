"""A module has its unit test at the mirrored path, or its folder says where else it is tested."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[3]
# They only compose or declare: there is no rule to test in them.
WIRING = {"__init__", "__main__", "app", "compose", "opening", "ports", "schema", "settings"}

# Folder: how many of its modules are without a unit test of their own, and what shows that they work. The numbers are
# exact, so that a new module comes with a test, and a new test makes its number smaller.
ELSEWHERE: dict[str, tuple[int, str]] = {
    "libs/authentication": (
        7,
        "tested with mail that another implementation signed, and in tests/integration/antispam",
    ),
    "libs/authentication/spf": (2, "held to the test suite of RFC 7208 in tests/unit/libs/authentication"),
    "libs/blobs": (2, "held to one contract in tests/contract/test_blobs.py"),
    "libs/bus/embedded": (
        15,
        "held to one contract in tests/contract/test_bus.py, and to a model in tests/integration/bus",
    ),
    "libs/bus/rabbitmq": (10, "tested against a real broker in tests/contract/test_bus.py and tests/integration/bus"),
    "libs/dns": (
        2,
        "held to one contract in tests/contract/test_dns.py, and tested with faults in tests/integration/dns",
    ),
    "libs/http": (
        20,
        "tested over sockets in tests/integration/http, and as a whole in test_application and test_strictness",
    ),
    "libs/lineserver": (3, "tested over sockets in tests/integration/lineserver and tests/integration/ingress"),
    "libs/mongo": (2, "tested against a real mongod in tests/integration/mongo"),
    "libs/neighbours": (5, "tested against the services that they call, in tests/e2e and tests/integration"),
    "libs/postmaster": (1, "tested through the letters of store and relay in tests/integration"),
    "libs/runtime": (5, "tested with real processes in tests/integration/runtime"),
    "libs/settings": (1, "tested together in test_loading and by tests/unit/tools"),
    "libs/tasks": (1, "tested through the shutdown of processes in tests/integration/runtime"),
    "libs/telemetry": (1, "tested over OTLP in tests/integration/telemetry"),
    "libs/tls": (1, "tested with handshakes in tests/integration/http"),
    "services": (1, "tested by tests/e2e, which starts the product"),
    "services/antispam/api": (14, "tested over HTTP in tests/integration/antispam"),
    "services/antispam/filtering": (
        4,
        "tested through the chain in tests/unit/services/antispam and the filters' own tests",
    ),
    "services/antispam/images": (2, "tested with worker processes in tests/integration/antispam"),
    "services/antispam/learning": (2, "tested against a real mongod in tests/integration/antispam"),
    "services/antispam/message": (1, "tested through the filters that read it, and with foreign and hostile mail"),
    "services/antispam/policy": (4, "tested against a real mongod in tests/integration/antispam"),
    "services/antispam/reputation": (6, "tested against a real mongod in tests/integration/antispam"),
    "services/antivirus": (4, "tested over queue and HTTP in tests/integration/antivirus"),
    "services/antivirus/adapters": (6, "tested against real engines and a real mongod in tests/integration/antivirus"),
    "services/ingress": (4, "tested over SMTP and HTTP in tests/integration/ingress"),
    "services/ingress/adapters": (2, "tested over HTTP in tests/integration/ingress"),
    "services/ingress/api": (3, "tested over HTTP in tests/integration/ingress"),
    "services/ingress/smtp": (11, "tested over SMTP in tests/integration/ingress"),
    "services/quota": (3, "tested over HTTP in tests/integration/quota"),
    "services/quota/adapters": (3, "tested against a real mongod in tests/integration/quota"),
    "services/relay": (6, "tested over queue and SMTP in tests/integration/relay"),
    "services/relay/adapters": (12, "tested over SMTP and against a real mongod in tests/integration/relay"),
    "services/router": (3, "tested over queue and HTTP in tests/integration/router"),
    "services/router/adapters": (7, "tested against a real mongod in tests/integration/router"),
    "services/router/api": (11, "tested over HTTP in tests/integration/router"),
    "services/store/api": (10, "tested over HTTP in tests/integration/store and tests/integration/quarantine"),
    "services/store/mailboxes": (10, "tested against a real mongod in tests/integration/store"),
    "services/store/quarantine": (4, "tested by what people see in tests/integration/quarantine"),
}
# Modules with a reason of their own; the numbers above are without them.
BY_MODULE: dict[str, str] = {
    "libs/authentication/results.py": "declares results, which test_dkim and test_arc expect",
    "libs/authentication/spf/results.py": "declares results, which the suite of RFC 7208 expects",
    "libs/bus/isolation.py": "held to one contract in tests/contract/test_bus.py",
    "libs/dns/answers.py": "declares types, which tests/contract/test_dns.py expects",
    "libs/envelope/outcomes.py": "declares exceptions",
    "libs/envelope/queues.py": "declares names, which every test of a queue uses",
    "libs/lineserver/errors.py": "declares exceptions",
    "libs/mail/choices.py": "tested in test_one_reading and test_hostile_mail, by the messages that leave a choice",
    "libs/mail/defects.py": "declares an enumeration",
    "libs/mail/japanese.py": "tested in test_charset, against the codecs of Python",
    "libs/mail/limits.py": "declares bounds, which test_hostile_mail exceeds",
    "libs/mail/part.py": "tested in test_message and test_walk, as a part of a message",
    "libs/mail/readings.py": "tested in test_one_reading and test_hostile_mail",
    "libs/runtime/watchdog.py": "tested with a blocked loop in tests/integration/runtime/test_watchdog.py",
    "services/antispam/engines/model.py": "declares what test_spamd, test_rspamd and test_circuit_breaker use",
    "services/antispam/filtering/mongo_counters.py": "tested in tests/integration/antispam",
    "services/antispam/learning/restoring.py": "tested in test_learner, and with damaged snapshots in test_snapshots",
    "services/antivirus/domain/containers/compound_file.py": "tested in test_ole and test_mapi",
    "services/antivirus/domain/containers/inflating.py": "tested in test_compressed, test_zip and test_zip_methods",
    "services/antivirus/domain/excel_records.py": "tested in test_office, with workbooks",
    "services/antivirus/domain/signatures.py": "declares one signature, which test_inspection and test_witnesses find",
    "services/antivirus/domain/vba_source.py": "tested in test_office, with macros",
    "services/ingress/domain/dot_stuffing.py": "tested in test_content, in chunks of every size",
    "services/ingress/domain/refusal.py": "declares an exception",
    "services/relay/domain/message_copy.py": "tested in test_entries",
    "services/relay/domain/replies.py": "tested in test_entries, and by hostile servers in tests/integration/relay",
    "services/router/refusals.py": "declares refusals, which tests/integration/router expects over HTTP",
    "services/store/mailboxes/refusals.py": "declares refusals, which test_folders and test_flags expect",
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
    found = {
        folder: rest
        for folder, modules in without_a_test().items()
        if (rest := [module for module in modules if f"{folder}/{module}" not in BY_MODULE])
    }
    expected = {folder: number for folder, (number, _) in ELSEWHERE.items()}
    wrong = {
        folder: (expected.get(folder, 0), found.get(folder, []))
        for folder in expected.keys() | found.keys()
        if len(found.get(folder, [])) != expected.get(folder, 0)
    }
    assert wrong == {}, "write a test at the mirrored path below tests/unit, or make the number of the folder smaller"


def test_every_module_with_a_reason_of_its_own_is_there_and_has_no_test() -> None:
    found = {f"{folder}/{module}" for folder, modules in without_a_test().items() for module in modules}
    assert set(BY_MODULE) - found == set()
