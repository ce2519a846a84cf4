"""`/v1/learn` and `/v1/unlearn`: training of the classifier with spam and ham."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, Field

from libs.http import ADMIN, Problem, require
from libs.http.openapi import raw_body
from libs.mail.originals import original_of
from services.antispam.api.scopes import domain_of, scope_of
from services.antispam.feedback.feedback import Feedback
from services.antispam.learning.learner import Learner
from services.antispam.learning.model import MailClass


class LearningResult(BaseModel):
    """What the lesson changed. `before` is what the message was learned as, null for never."""

    changed: bool = Field(description="Whether the call changed anything.")
    before: MailClass | None = Field(description="Class of the message before; null for none.")
    now: MailClass | None = Field(description="Class of the message now; null for none.")
    domain: str = Field(description="Domain; empty for all domains.")


class LearningProgress(BaseModel):
    """Numbers of learned messages, and whether they suffice (with those for all domains) for the filter."""

    domain: str = Field(description="Domain; empty for all domains.")
    spam: int = Field(description="Number of spam samples.")
    ham: int = Field(description="Number of ham samples.")
    active: bool = Field(
        description="Whether there are enough samples, with those for all domains, for the classifier to be used."
    )


def learning_routes(learner: Learner, user_feedback: Feedback, *, is_active: Callable[[str], bool]) -> APIRouter:
    """Create the routes; `is_active` returns whether enough was learned for a scope."""
    router = APIRouter(prefix="/v1", tags=["learning"], dependencies=[Depends(require(ADMIN))])
    whose = Query("", max_length=255, description="Domain whose statistics learn; empty: those for all.")
    message = raw_body("message/rfc822", "The message.")

    complainant = Query(
        "", alias="by", max_length=320, description="Account that says so: its complaint about peer and sender."
    )

    async def taught(request: Request, domain: str, kind: MailClass | None, by: str = "") -> LearningResult:
        raw = await request.body()
        if not raw:
            raise Problem(422, "the body must be a raw message")
        scope = scope_of(domain)
        original = original_of(raw)
        before = await user_feedback.train(original, kind, scope=scope)
        if by:
            await user_feedback.record_complaint(original, kind, complainant=by.lower())
        return LearningResult(changed=before != kind, before=before, now=kind, domain=domain_of(scope))

    @router.post(
        "/learn",
        summary="Train the classifier with a message",
        openapi_extra=message,
    )
    async def learn_message(
        request: Request,
        kind: Literal["spam", "ham"] = Query(alias="as", description="Class of the message."),
        domain: str = whose,
        by: str = complainant,
    ) -> LearningResult:
        """Trains the classifier with a raw message as spam or as ham. The same message again changes nothing; with the
        other class, it is moved.
        """
        return await taught(request, domain, kind, by)

    @router.post("/unlearn", summary="Remove a message from the training", openapi_extra=message)
    async def unlearn_message(request: Request, domain: str = whose, by: str = complainant) -> LearningResult:
        """Reverts the training of the classifier with this raw message."""
        return await taught(request, domain, None, by)

    @router.get("/learned", summary="Count the training samples")
    async def get_learned(domain: str = whose) -> LearningProgress:
        """Counts the messages with which the classifier was trained, for a domain or for all domains."""
        scope = scope_of(domain)
        spam, ham = learner.learned(scope)
        return LearningProgress(domain=domain_of(scope), spam=spam, ham=ham, active=is_active(scope))

    return router
