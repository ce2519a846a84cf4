"""Settings of the tally service."""

from __future__ import annotations

from pydantic import Field

from libs.settings import ServiceSettings


class Settings(ServiceSettings):
    """How much is counted."""

    max_domains: int = Field(10_000, ge=1, description="Domains that are counted; the oldest are forgotten first.")
