"""Settings of the router."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from libs.settings import ServiceSettings


class Settings(ServiceSettings):
    """The defaults suit a cluster as well as embedded mode."""

    postmaster: str = Field("", description="Gets mail for postmaster@ and abuse@ where a domain names nobody.")
    depth_limit: int = Field(20, ge=1, le=1000, description="Most hops from an address to the mailbox behind it.")
    expansion_limit: int = Field(1000, ge=1, le=100_000, description="Most addresses that one address may lead to.")
    cached_routes: int = Field(50_000, ge=0, description="Most addresses (and as many domains) held in memory.")
    route_ttl: timedelta = Field(timedelta(minutes=5), description="Longest time a change may stay unseen.")
    # RFC 9106 4, the second recommended option (low memory)
    argon2_iterations: int = Field(3, ge=1, description="Passes of Argon2id over its memory.")
    argon2_memory_kib: int = Field(65536, ge=8, description="Memory of one Argon2id computation, KiB.")
    argon2_lanes: int = Field(4, ge=1, description="Threads of one Argon2id computation.")
    password_threads: int = Field(2, ge=1, description="Passwords checked at the same time.")
    password_queue: int = Field(200, ge=1, description="Passwords that may wait to be checked; more are told to retry.")
    password_deadline: timedelta = Field(timedelta(seconds=4), description="Longest wait for a password check.")
    idempotency_ttl: timedelta = Field(timedelta(hours=24), description="How long an Idempotency-Key is remembered.")
    event_period: timedelta = Field(timedelta(seconds=1), description="How often events that wait are looked for.")
