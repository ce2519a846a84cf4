"""Mail to training addresses is learned; mail to honeypots is quarantined, and its peer blacklisted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from libs.envelope import Mail, Peer, Recipient, queues
from services.antispam.feedback.feedback import Feedback
from services.antispam.feedback.special_recipients import SpecialRecipients, is_special, without_special
from services.antispam.filtering.rulebook_cache import RulebookCache
from services.antispam.learning.model import MailClass
from services.antispam.learning.samples import TrainingSample
from services.antispam.policy.rulebook import Rulebook
from services.antispam.reputation.blacklisted_peers import BlacklistedPeer
from services.antispam.reputation.complaints import ComplaintSubject
from tests.specimens.antispam import NOW, a_message, a_rulebook, an_envelope, an_environment, multipart

Rulebooks = Callable[..., RulebookCache]

BAN = timedelta(hours=1)
TRAP = Recipient(address="Trap@alias.example", domain="example.org", purpose="honeypot")
TRAINING = Recipient(address="Spam@alias.example", domain="example.org", purpose="training")
ORDINARY = Recipient(address="marie@example.org", domain="example.org")


@dataclass
class Stores:
    """What was stored: hits, blacklisted peers, samples, complainants."""

    hits: list[str] = field(default_factory=list)
    peers: list[BlacklistedPeer] = field(default_factory=list)
    samples: list[TrainingSample] = field(default_factory=list)
    complainants: list[str] = field(default_factory=list)

    async def record_hits(self, addresses: Sequence[str], now: datetime) -> None:
        self.hits += addresses

    async def blacklist(self, peer: BlacklistedPeer) -> None:
        self.peers.append(peer)

    async def learn(self, sample: TrainingSample) -> MailClass | None:
        self.samples.append(sample)
        return None

    async def complain(self, subjects: Sequence[ComplaintSubject], complainant: str, now: datetime) -> None:
        self.complainants.append(complainant)

    async def withdraw(self, subjects: Sequence[ComplaintSubject], complainant: str, now: datetime) -> None: ...

    async def raw(self, mailbox: str, id: str) -> bytes | None:
        return None


def special_recipients(cache: RulebookCache, stores: Stores, *, trains: bool = True) -> SpecialRecipients:
    return SpecialRecipients(
        rulebooks=cache,
        environment=an_environment(),
        peers=stores,
        honeypot_hits=stores,
        user_feedback=Feedback(
            learner=stores, complaints=stores, messages=stores, moves_train="domain", clock=lambda: NOW
        ),
        clock=lambda: NOW,
        ban_duration=BAN,
        trains=trains,
    )


def a_mail(
    *recipients: Recipient, raw: bytes | None = None, peer: str = "192.0.2.1", account: str | None = None
) -> Mail:
    raw = raw or a_message()
    return Mail(an_envelope(len(raw), recipients=recipients, peer=Peer(address=peer, account=account)), raw)


async def test_mail_to_a_honeypot_is_counted_learned_and_quarantined_and_its_peer_is_blacklisted(
    rulebooks: Rulebooks,
) -> None:
    stores = Stores()
    [route] = await special_recipients(rulebooks(), stores).process(a_mail(ORDINARY, TRAP))
    assert (route.queue, route.mail.envelope.recipients) == (queues.QUARANTINE, (TRAP,))
    assert route.mail.envelope.quarantine_reason == "honeypot"
    assert stores.hits == ["trap@example.org"]  # by its name in the main domain
    assert stores.peers == [BlacklistedPeer("192.0.2.1", NOW + BAN, "wrote to a honeypot")]
    assert [(sample.scope, sample.kind) for sample in stores.samples] == [("default", "spam")]


async def test_a_setting_turns_learning_from_honeypots_off(rulebooks: Rulebooks) -> None:
    stores = Stores()
    await special_recipients(rulebooks(), stores, trains=False).process(a_mail(TRAP))
    assert (stores.samples, len(stores.peers)) == ([], 1)


@pytest.mark.parametrize(
    ("peer", "book"), [("127.0.0.1", a_rulebook()), ("192.0.2.1", a_rulebook("example.org", white=("192.0.2.0/24",)))]
)
async def test_a_peer_that_is_trusted_or_whitelisted_is_not_blacklisted(
    rulebooks: Rulebooks, peer: str, book: Rulebook
) -> None:
    stores = Stores()
    await special_recipients(rulebooks(book), stores).process(a_mail(TRAP, peer=peer))
    assert (stores.peers, stores.hits) == ([], ["trap@example.org"])


async def test_attached_messages_are_learned_for_the_domain_of_the_training_address(rulebooks: Rulebooks) -> None:
    stores, attached = Stores(), a_message(subject="Cheap watches").decode()
    raw = multipart(*[f"Content-Type: message/rfc822\r\n\r\n{attached}"] * 2, subtype="mixed")
    routes = await special_recipients(rulebooks(), stores).process(
        a_mail(TRAINING, raw=raw, account="boss@example.org")
    )
    assert list(routes) == []
    assert [(sample.scope, sample.kind) for sample in stores.samples] == [("example.org", "spam")] * 2


def test_special_recipients_are_separated_from_ordinary_ones() -> None:
    mixed, special, ordinary = (
        an_envelope(recipients=to) for to in ((TRAP, ORDINARY, TRAINING), (TRAP, TRAINING), (ORDINARY,))
    )
    assert [is_special(envelope) for envelope in (mixed, special, ordinary)] == [True, True, False]
    others = without_special(mixed)
    assert others is not None
    assert others.recipients == (ORDINARY,)
    assert without_special(special) is None
