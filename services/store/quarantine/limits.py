"""How often: notices to senders, tries on the public pages."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class NoticeLimits(BaseModel):
    """How many notices at most. What is beyond is never sent: the mail waits for an administrator."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    per_sender_a_day: int = Field(3, ge=0)
    per_peer_an_hour: int = Field(20, ge=0)
    per_domain_an_hour: int = Field(200, ge=0)
    in_total_an_hour: int = Field(1000, ge=0)


class PageLimits(BaseModel):
    """How often one may try. An IPv6 peer counts as its /64."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    answers_a_link_a_day: int = Field(10, ge=1)
    answers_an_address_an_hour: int = Field(30, ge=1)
    views_a_link_an_hour: int = Field(100, ge=1)
