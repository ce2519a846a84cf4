"""Composition of the feedback slice: training, special recipients, and the screening of recipients at RCPT."""

from __future__ import annotations

from dataclasses import dataclass

from libs.http import Client
from libs.neighbours import RouterClient, StoreClient
from libs.runtime import Shared
from services.antispam.feedback.feedback import Feedback
from services.antispam.feedback.screening import RecipientScreening
from services.antispam.feedback.special_recipients import SpecialRecipients
from services.antispam.filtering.compose import FilteringSlice
from services.antispam.learning.compose import LearningSlice
from services.antispam.reputation.compose import ReputationSlice
from services.antispam.settings import Settings


@dataclass(frozen=True, slots=True)
class FeedbackSlice:
    """`user_feedback` handles moves, `special_recipients` their mail, and `screening` the queries of ingress."""

    user_feedback: Feedback
    special_recipients: SpecialRecipients
    screening: RecipientScreening
    clients: tuple[Client, ...]

    async def close(self) -> None:
        """Close the connections to the router and to store."""
        for client in self.clients:
            await client.close()


def open_feedback(
    settings: Settings,
    shared: Shared,
    *,
    filtering: FilteringSlice,
    learning: LearningSlice,
    reputation: ReputationSlice,
) -> FeedbackSlice:
    """Create the objects; connections are opened by the first requests."""
    # Neither neighbour is needed for mail. Router away: training mail is deferred; store away: training by moves waits.
    router, mailboxes = shared.client(settings, "router"), shared.client(settings, "store")
    user_feedback = Feedback(
        learner=learning.learner,
        complaints=reputation.stored_complaints,
        messages=StoreClient(mailboxes),
        moves_train=settings.junk_moves_train,
        clock=shared.clock,
    )
    special_recipients = SpecialRecipients(
        rulebooks=filtering.rulebooks,
        environment=filtering.environment,
        peers=reputation.peers,
        honeypot_hits=reputation.honeypots,
        user_feedback=user_feedback,
        clock=shared.clock,
        ban_duration=settings.honeypot_ban_duration,
        trains=settings.honeypot_trains,
    )
    screening = RecipientScreening(
        rulebooks=filtering.rulebooks,
        environment=filtering.environment,
        greylist=reputation.greylist,
        honeypots=reputation.honeypots,
        accounts=RouterClient(router),
        times=reputation.greylist_times,
        clock=shared.clock,
    )
    return FeedbackSlice(user_feedback, special_recipients, screening, (router, mailboxes))
