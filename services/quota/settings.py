"""Settings of the quota service."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, ConfigDict, Field

from libs.settings import ServiceSettings
from services.quota.domain.sending import ClassLimits

GB = 1024**3


class SendClasses(BaseModel):
    """The send limits of each class of client."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    webmail: ClassLimits = ClassLimits(50, 100, 500, 1000)
    internal: ClassLimits = ClassLimits(100, 200, 500, 1000)
    external: ClassLimits = ClassLimits(50, 50, 250, 500)
    relay: ClassLimits = ClassLimits(50, 100, None, None)


class Settings(ServiceSettings):
    """Profiles, warnings and send limits."""

    profiles: dict[str, int] = Field(
        default={"guest": 2 * GB, "standard": 1 * GB, "manager": 1 * GB},
        description="Storage limit of each profile, in bytes; a manager's is raised on request.",
    )
    default_profile: str = Field("standard", description="Profile of an account that names none.")
    warn_percent: int = Field(80, ge=1, le=100, description="Usage in percent above which a mailbox gets one warning.")
    warn_again: timedelta = Field(timedelta(hours=24), description="Shortest time between two warnings to a mailbox.")
    warn_sender: str = Field("", description="From address of the warnings; empty: postmaster of the account's domain.")
    recount_period: timedelta = Field(timedelta(hours=24), description="Time in which each mailbox is recounted once.")
    send_limits: SendClasses = Field(SendClasses(), description="Send limits by class of client.")
