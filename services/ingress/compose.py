"""The parts of ingress that are built from settings alone."""

from __future__ import annotations

import time
from datetime import timedelta

from libs.tls import CertificateFiles
from services.ingress.adapters.self_signed import self_signed
from services.ingress.admission import AdmissionPolicy
from services.ingress.authentication import Authenticator
from services.ingress.domain.acceptance import Acceptance
from services.ingress.domain.blacklist import Blacklist
from services.ingress.domain.budget import Budget
from services.ingress.domain.duplicates import Duplicates
from services.ingress.domain.session_state import ListenerProfile
from services.ingress.domain.throttle import Throttle
from services.ingress.domain.timeouts import Timeouts
from services.ingress.domain.unconfirmed import Unconfirmed
from services.ingress.peer_bans import PeerBans
from services.ingress.ports import RecipientDirectory
from services.ingress.settings import Settings

MAX_KEYS = 100_000
# Messages that are remembered because their peers may send them again.
MAX_RETRIES = 10_000


def blacklist() -> Blacklist:
    return Blacklist(max_entries=MAX_KEYS, clock=time.time)


def acceptance(settings: Settings) -> Acceptance:
    return Acceptance(settings.max_received, settings.max_header_bytes, settings.max_header_count)


def duplicates(settings: Settings) -> Duplicates:
    window = settings.duplicate_window.total_seconds()
    return Duplicates(window=window, max_entries=MAX_RETRIES, clock=time.monotonic)


def unconfirmed(settings: Settings) -> Unconfirmed:
    window = settings.unconfirmed_window.total_seconds()
    return Unconfirmed(window=window, max_entries=MAX_RETRIES, clock=time.monotonic)


def profiles(settings: Settings) -> list[ListenerProfile]:
    """Return the listeners; a port of 0 switches one off."""
    profiles = [
        ListenerProfile("mx", settings.mx_port, offers_auth=settings.mx_offers_auth),
        ListenerProfile("submission", settings.submission_port, needs_tls=True, offers_auth=True, needs_auth=True),
        ListenerProfile("submissions", settings.submissions_port, implicit_tls=True, offers_auth=True, needs_auth=True),
    ]
    return [profile for profile in profiles if profile.port]


def certificate_files(settings: Settings) -> CertificateFiles:
    if settings.certificate_file is not None:
        return CertificateFiles(settings.certificate_file, settings.certificate_key_file or settings.certificate_file)
    if not settings.self_signed:
        raise ValueError("ingress needs a TLS certificate: set certificate_file (and certificate_key_file)")
    return self_signed(settings.var_dir / "tls", settings.hostname)


def policy(settings: Settings) -> AdmissionPolicy:
    return AdmissionPolicy(
        main_domain=settings.main_domain,
        max_recipients=settings.max_recipients,
        max_message_bytes=settings.max_message_bytes,
        largest_message_bytes=settings.largest_message_bytes,
        refuse_local_senders=settings.refuse_local_senders,
        send_without_quota=settings.send_without_quota,
    )


def budget(settings: Settings) -> Budget:
    return Budget(
        max_messages=settings.max_incoming_messages,
        max_bytes=settings.max_incoming_bytes,
        peer_share=settings.max_incoming_share_per_peer,
        largest_bytes=settings.largest_message_bytes,
    )


def timeouts(settings: Settings) -> Timeouts:
    def seconds(duration: timedelta) -> float:
        return duration.total_seconds()

    return Timeouts(
        greeting_delay=seconds(settings.greeting_delay),
        idle=seconds(settings.idle_timeout),
        command=seconds(settings.command_timeout),
        data_block=seconds(settings.data_block_timeout),
        grace=seconds(settings.slow_message_grace),
        min_rate=settings.min_bytes_per_second,
        message=seconds(settings.message_timeout),
    )


def authenticator(settings: Settings, directory: RecipientDirectory, bans: PeerBans) -> Authenticator:
    def throttle(limit: int) -> Throttle:
        window = settings.auth_window.total_seconds()
        return Throttle(limit=limit, window=window, max_keys=MAX_KEYS, clock=time.monotonic)

    return Authenticator(
        directory=directory,
        addresses=throttle(settings.auth_failures_per_address),
        accounts=throttle(settings.auth_failures_per_account),
        first_delay=settings.auth_failure_delay.total_seconds(),
        longest_delay=settings.auth_failure_max_delay.total_seconds(),
        on_abuse=bans.ban_password_guesser,
    )
