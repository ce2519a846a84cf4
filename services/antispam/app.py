"""Composition root of antispam."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from fastapi import APIRouter

from libs.runtime import Service, Shared
from libs.telemetry import Metrics
from services.antispam.api import ABOUT
from services.antispam.api.checking import check_routes
from services.antispam.api.complaints import complaint_routes
from services.antispam.api.correspondents import correspondent_routes
from services.antispam.api.honeypots import honeypot_routes
from services.antispam.api.images import image_routes
from services.antispam.api.learning import learning_routes
from services.antispam.api.lessons import lesson_routes
from services.antispam.api.lists import list_routes
from services.antispam.api.peers import peer_routes
from services.antispam.api.policies import policy_routes
from services.antispam.api.reception import reception_routes
from services.antispam.api.rules import rule_routes
from services.antispam.api.statistics import statistics_routes
from services.antispam.chain import CHAIN
from services.antispam.engines.compose import open_engines
from services.antispam.feedback.compose import FeedbackSlice, open_feedback
from services.antispam.filtering.compose import FilteringSlice, open_filtering
from services.antispam.handlers import Judge, event_handlers, queue_handlers
from services.antispam.images.compose import open_images
from services.antispam.learning.compose import LearningSlice, open_learning
from services.antispam.policy.compose import PolicySlice, open_policy
from services.antispam.reputation.compose import ReputationSlice, open_reputation
from services.antispam.settings import Settings

NAME = "antispam"

__all__ = ["NAME", "Settings", "build"]


@asynccontextmanager
async def build(settings: Settings, shared: Shared) -> AsyncIterator[Service]:
    """Open the slices and yield the service. Raises `Temporary` when MongoDB does not answer."""
    database, metrics = shared.mongo.database(NAME), Metrics()
    engines, images = open_engines(settings), await open_images(settings, database)
    policy = await open_policy(database)
    learning = await open_learning(settings, shared, database)
    reputation = await open_reputation(settings, shared, database)
    filtering = await open_filtering(
        settings,
        shared,
        database,
        chain=CHAIN,
        policy=policy,
        learning=learning,
        reputation=reputation,
        engines=engines.engines,
        images=images.pool,
        metrics=metrics,
    )
    feedback = open_feedback(settings, shared, filtering=filtering, learning=learning, reputation=reputation)
    judge = Judge(
        rulebooks=filtering.rulebooks,
        runner=filtering.runner,
        environment=filtering.environment,
        learner=learning.learner,
        counters=filtering.counters,
        special_recipients=feedback.special_recipients,
        clock=shared.clock,
    )
    try:
        yield Service(
            name=NAME,
            about=ABOUT,
            settings=settings,
            metrics=metrics,
            routers=(
                check_routes(judge, filtering.environment.trusts, shared.clock),
                image_routes(
                    images.known_images, filtering.announce_policy_change, images.pool.read_image, shared.clock
                ),
                *_filtering_routes(filtering, policy, shared.clock),
                *_reputation_routes(filtering, reputation, shared.clock),
                *_feedback_routes(feedback, learning, reputation),
            ),
            queue_handlers=queue_handlers(judge),
            event_handlers=event_handlers(filtering, learning, reputation, feedback),
            background=(*filtering.background, *learning.background, *reputation.background),
            body_limit_bytes=settings.api_message_limit_bytes,
        )
    finally:
        await filtering.close()
        await images.close()
        await engines.close()
        await feedback.close()


def _filtering_routes(
    filtering: FilteringSlice, policy: PolicySlice, clock: Callable[[], datetime]
) -> Sequence[APIRouter]:
    return (
        policy_routes(policy.policies, filtering.announce_policy_change),
        list_routes(policy.lists, filtering.announce_policy_change, clock),
        rule_routes(policy.rules, filtering.announce_policy_change),
        statistics_routes(filtering.stored_counters, clock),
    )


def _reputation_routes(
    filtering: FilteringSlice, reputation: ReputationSlice, clock: Callable[[], datetime]
) -> Sequence[APIRouter]:
    thresholds = reputation.complaints.thresholds
    return (
        peer_routes(reputation.peers, reputation.stored_peers, clock),
        honeypot_routes(reputation.honeypots, filtering.announce_policy_change, clock),
        correspondent_routes(reputation.correspondents, reputation.stored_correspondents, clock),
        complaint_routes(reputation.stored_complaints, thresholds, reputation.refresh_complaints, clock),
    )


def _feedback_routes(
    feedback: FeedbackSlice, learning: LearningSlice, reputation: ReputationSlice
) -> Sequence[APIRouter]:
    return (
        learning_routes(learning.learner, feedback.user_feedback, is_active=learning.statistics.is_active),
        lesson_routes(learning.learner, learning.store),
        reception_routes(feedback.screening, reputation.greylist),
    )
