"""Every step of the chain has a specimen that it hits and one that it must not: a new filter comes with both."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from libs.envelope import Peer
from services.antispam.chain import CHAIN
from services.antispam.engines.model import EngineResult
from services.antispam.filtering.context import Context, FilterEnvironment
from services.antispam.filtering.steps import Step
from services.antispam.images.model import ImageFacts
from services.antispam.learning.classifier import BayesScore
from services.antispam.message.mail_view import MailView
from services.antispam.policy.rules import AnyRule, KeywordRule
from tests.servers.zone import Zone
from tests.specimens.antispam import NOW, a_context, a_message, a_rulebook, a_view, an_environment
from tests.specimens.filter_cases import BOOKS, COMPLAINTS, HITS, MISSES, complained_about, to
from tests.specimens.images import a_message_with

Case = tuple[MailView, Context]

OTHER = a_message("nothing", **{"from": "luc@other.example", "subject": "hello"})
OTHER_WAY: dict[str, Any] = {"peer": Peer(address="198.51.100.1"), "mail_from": "luc@other.example"}
WITH_IMAGE = a_message_with(b"any octets")
_KEY = generate_private_key(public_exponent=65537, key_size=1024)
_PEM = _KEY.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
_PUBLIC = base64.b64encode(_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


@dataclass(frozen=True)
class Reader:
    image: ImageFacts
    reads_text: bool = True
    distance: int = 6

    async def read_images(self, mail: MailView) -> Sequence[ImageFacts]:
        return [self.image]


@dataclass(frozen=True)
class Engine:
    score: float
    limit_bytes: int = 100_000

    async def scan(self, mail: MailView) -> EngineResult:
        return EngineResult(self.score, 5.0)


@dataclass(frozen=True)
class Statistics:
    log_odds: float

    def judge(self, mail: MailView, domain: str) -> BayesScore:
        return BayesScore(self.log_odds, 0.5, 20)


def knowing(**more: Any) -> Context:
    return a_context(environment=replace(an_environment(), **more))


def seeing(image: ImageFacts) -> Context:
    rules: dict[str, AnyRule] = {"watches": KeywordRule(pattern="cheap watches")}
    book = replace(a_rulebook(rules=rules), images=frozenset({0x0123456789ABCDEF}))
    return a_context(book, environment=replace(an_environment(), images=Reader(image)))


def cached_peer() -> FilterEnvironment:
    environment = an_environment()
    environment.peers.refuse("192.0.2.1", NOW.replace(hour=13), "honeypot", NOW)  # type: ignore[attr-defined]
    return environment


def resolving(*records: str, trusted: str = "") -> Context:
    sealers = frozenset({trusted})
    return a_context(environment=replace(an_environment(zone=Zone("\n".join(records))), arc_trusted_sealers=sealers))


def with_key(domain: str, *more: str, trusted: str = "") -> Context:
    halves = " ".join(f'"{piece}"' for piece in (f"v=DKIM1; p={_PUBLIC[:100]}", _PUBLIC[100:]))
    return resolving(f"s1._domainkey.{domain} TXT {halves}", *more, trusted=trusted)


def signed() -> bytes:
    field: bytes = dkim.sign(a_message(), b"s1", b"elsewhere.example", _PEM)
    return field + a_message()


def sealed() -> bytes:
    seen = b"Authentication-Results: lists.example; dmarc=pass header.from=elsewhere.example\r\n"
    return b"".join(dkim.arc_sign(seen + a_message(), b"s1", b"lists.example", _PEM, b"lists.example")) + a_message()


def own_cases() -> Mapping[str, tuple[Case, Case]]:
    """Of filters whose word depends on more than the message: a hit and a miss."""
    plain, other = a_view(), a_view(OTHER, **OTHER_WAY)
    crowd = a_view(a_message("buy our watches " * 9), **to(*(f"m{number}@example.org" for number in range(3))))
    image = a_view(WITH_IMAGE)
    own_key, lists_key = with_key("elsewhere.example"), with_key("lists.example", trusted="lists.example")
    forwarded = with_key("elsewhere.example", 'elsewhere.example TXT "v=spf1 -all"')
    policy = ('_dmarc.elsewhere.example TXT "v=DMARC1; p=reject"', 'elsewhere.example TXT "v=spf1 -all"')
    return {
        **{name: ((plain, a_context(book)), (other, a_context(book))) for name, book in BOOKS.items()},
        **{
            name: ((plain, complained_about(*subject)), (other, complained_about(*subject)))
            for name, subject in COMPLAINTS.items()
        },
        "cached_peer": ((plain, a_context(environment=cached_peer())), (other, a_context(environment=cached_peer()))),
        "checksum": ((crowd, a_context()), (plain, a_context())),
        "bayes": ((plain, knowing(statistics=Statistics(3.0))), (plain, knowing(statistics=Statistics(0.0)))),
        **{
            name: ((plain, knowing(engines={name: Engine(6.0)})), (plain, knowing(engines={name: Engine(0.0)})))
            for name in ("spamassassin", "rspamd")
        },
        "image_text": ((image, seeing(ImageFacts(text="cheap watches"))), (image, seeing(ImageFacts(text="hello")))),
        "image_fingerprint": (
            (image, seeing(ImageFacts(0x0123456789ABCDEE))),
            (image, seeing(ImageFacts(0x7654321001234567))),
        ),
        "spf_vouched": ((a_view(signed()), forwarded), (a_view(), forwarded)),
        "dkim": ((a_view(signed() + b"more\r\n"), own_key), (a_view(signed()), own_key)),
        "arc": ((a_view(sealed()), lists_key), (a_view(signed()), own_key)),
        "dmarc": ((a_view(), resolving(*policy)), (a_view(), resolving(policy[1]))),
    }


def cases(step: Step, own: Mapping[str, tuple[Case, Case]]) -> tuple[Case | None, Case | None]:
    if step.name in own:
        return own[step.name]
    found = []
    for table in (HITS, MISSES):
        row = next((row for row in table if row[0] == step.name), None)
        found.append((a_view(row[2], **row[3]), a_context()) if row else None)
    return found[0], found[1]


@pytest.mark.parametrize("step", CHAIN, ids=lambda step: step.name)
async def test_every_step_has_a_specimen_that_it_hits_and_one_that_it_must_not(step: Step) -> None:
    hit, miss = cases(step, own_cases())
    assert hit is not None, "no specimen that it hits: tests/specimens/filter_cases.py"
    assert miss is not None, "no specimen that it must not hit: tests/specimens/filter_cases.py"
    assert (await step.check(*hit)).outcome == "hit"
    assert (await step.check(*miss)).outcome == "miss"
