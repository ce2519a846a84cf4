from __future__ import annotations

import pytest

from libs.envelope import Envelope, Mail, Recipient, Verdict, decode, encode
from services.router.domain.distribution import Distribution, distribute
from services.router.domain.resolution import AddressRoute, Failure, Resolution, ResolvedDelivery
from tests import builders


def an_envelope(*recipients: Recipient, action: str = "none", released: bool = False) -> Envelope:
    verdict = Verdict(spam=action != "none", score=9, required=5, action=action)
    return builders.an_envelope(*recipients, verdicts={"ours.example": verdict}, released=released)


def for_(address: str, *, domain: str = "ours.example", original: str = "") -> Recipient:
    return Recipient(address=address, domain=domain, original=original or address)


def to(*ends: str, first: str = "list@ours.example") -> Resolution:
    """`kind:address` each."""
    deliveries = tuple(ResolvedDelivery(*end.split(":")) for end in ends)  # type: ignore[arg-type]
    return Resolution(deliveries, routes={first: AddressRoute(first, "alias")})


def addresses(of: tuple[Recipient, ...]) -> list[str]:
    return [recipient.address for recipient in of]


def test_local_and_remote_ends_part_ways_and_keep_what_was_given() -> None:
    given = Recipient(
        address="list@ours.example", domain="ours.example", original="List@Ours.example", notify=("NEVER",)
    )
    parted = distribute(an_envelope(given), [to("local:a@ours.example", "remote:x@far.example")])
    assert parted.mailboxes == (given.model_copy(update={"address": "a@ours.example"}),)
    assert parted.elsewhere == (given.model_copy(update={"address": "x@far.example"}),)
    assert parted.withheld == ()


def test_a_mailbox_that_several_recipients_lead_to_gets_one_copy_under_its_own_domain() -> None:
    other = for_("list@other.example", domain="other.example")
    own = for_("a@ours.example")
    ways = [to("local:a@ours.example"), to("local:a@ours.example")]
    for recipients in ((other, own), (own, other)):
        parted = distribute(an_envelope(*recipients), ways)
        assert parted.mailboxes == (own,)


def test_a_recipient_elsewhere_goes_as_it_is() -> None:
    stranger = for_("X@far.example", domain="")
    away = Resolution(
        (ResolvedDelivery("remote", "X@far.example"),),
        routes={"X@far.example": AddressRoute("X@far.example", "remote")},
    )
    assert distribute(an_envelope(stranger), [away]) == Distribution((), (stranger,), ())


def test_a_recipient_without_a_domain_gets_that_of_its_address() -> None:
    parted = distribute(an_envelope(for_("A@alias.example", domain="")), [to("local:a@ours.example")])
    assert parted.mailboxes[0].domain == "ours.example"


def test_a_failed_recipient_travels_to_the_relay_with_its_reason_over_the_queue() -> None:
    failed = Resolution(
        failures=(Failure("list@ours.example", "loop", "mail loop: a -> a"),),
        routes={"list@ours.example": AddressRoute("list@ours.example", "alias")},
    )
    envelope = an_envelope(for_("list@ours.example"))
    parted = distribute(envelope, [failed])
    there = decode(encode(Mail(envelope.to(parted.elsewhere), b""))).envelope.recipients[0]
    assert (there.address, there.failure) == ("list@ours.example", "5.4.6 mail loop: a -> a")


def test_junk_goes_to_mailboxes_and_leaves_for_nobody() -> None:
    mixed = to("local:a@ours.example", "remote:x@far.example")
    parted = distribute(an_envelope(for_("list@ours.example"), action="junk"), [mixed])
    assert (addresses(parted.mailboxes), parted.elsewhere, parted.withheld) == (["a@ours.example"], (), ())


def test_junk_that_would_only_have_left_is_withheld_not_lost() -> None:
    given = for_("forward@ours.example")
    parted = distribute(an_envelope(given, action="junk"), [to("remote:x@far.example")])
    assert (parted.mailboxes, parted.elsewhere, parted.withheld) == ((), (), (given,))


def test_released_junk_and_tagged_spam_are_forwarded() -> None:
    for envelope in (
        an_envelope(for_("f@ours.example"), action="junk", released=True),
        an_envelope(for_("f@ours.example"), action="tag"),
    ):
        assert addresses(distribute(envelope, [to("remote:x@far.example")]).elsewhere) == ["x@far.example"]


ASKED = ("SUCCESS", "FAILURE")


@pytest.mark.parametrize(
    ("address", "ends", "speaker", "expanded"),
    [
        ("list@ours.example", ["remote:x@far.example", "local:a@ours.example", "local:b@ours.example"], 1, True),
        ("list@ours.example", ["remote:x@far.example", "remote:y@far.example"], 0, True),
        ("a@ours.example", ["local:b@ours.example", "local:a@ours.example", "remote:x@far.example"], 1, False),
        ("list@ours.example", ["local:a@ours.example"], 0, False),
        ("list@ours.example", ["remote:x@far.example"], 0, False),
    ],
)
def test_of_all_behind_one_address_one_tells_a_success(
    address: str, ends: list[str], speaker: int, expanded: bool
) -> None:
    recipient = for_(address).model_copy(update={"notify": ASKED})
    parted = distribute(an_envelope(recipient), [to(*ends, first=address)])
    found = {to.address: to for to in (*parted.mailboxes, *parted.elsewhere)}
    for number, end in enumerate(ends):
        each = found[end.partition(":")[2]]
        assert each.notify == (ASKED if number == speaker else ("FAILURE",))
        assert each.expanded is (expanded and number == speaker)


def test_who_asked_for_no_success_is_left_alone_behind_a_list() -> None:
    recipient = for_("list@ours.example").model_copy(update={"notify": ("DELAY",)})
    parted = distribute(an_envelope(recipient), [to("local:a@ours.example", "remote:x@far.example")])
    assert {(to.notify, to.expanded) for to in (*parted.mailboxes, *parted.elsewhere)} == {(("DELAY",), False)}
