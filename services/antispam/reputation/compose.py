"""Composition of the reputation slice: its stores in MongoDB, its memory and its background work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from libs.runtime import Periodic, Shared
from services.antispam.reputation.automatic_whitelist import AutomaticWhitelist
from services.antispam.reputation.blacklisted_peers import BlacklistedPeerTable
from services.antispam.reputation.complaints import ComplaintThresholds, ReportedSubjects
from services.antispam.reputation.greylist import GreylistTimes
from services.antispam.reputation.mass_mailings import MassMailingCounter
from services.antispam.reputation.mongo_blacklisted_peers import MongoBlacklistedPeers
from services.antispam.reputation.mongo_complaints import MongoComplaints
from services.antispam.reputation.mongo_correspondents import MongoCorrespondents
from services.antispam.reputation.mongo_greylist import MongoGreylist
from services.antispam.reputation.mongo_honeypots import MongoHoneypots
from services.antispam.reputation.mongo_mass_mailings import MongoMassMailings
from services.antispam.reputation.peer_blacklist import PeerBlacklist
from services.antispam.settings import Settings

_COMPLAINTS_PERIOD = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class ReputationSlice:
    """The objects for filters and feedback, and the stores for the pages of the API."""

    greylist: MongoGreylist
    greylist_times: GreylistTimes
    honeypots: MongoHoneypots
    blacklisted_peers: BlacklistedPeerTable
    peers: PeerBlacklist
    stored_peers: MongoBlacklistedPeers
    mass_mailings: MassMailingCounter
    correspondents: AutomaticWhitelist
    stored_correspondents: MongoCorrespondents
    complaints: ReportedSubjects
    stored_complaints: MongoComplaints
    refresh_complaints: Callable[[], Awaitable[None]]
    background: Sequence[Periodic]


async def open_reputation(settings: Settings, shared: Shared, database: Any) -> ReputationSlice:
    """Create the indexes and fill the memory. Raises `Temporary` when MongoDB does not answer."""
    times = _greylist_times(settings)
    greylist, honeypots = MongoGreylist(database, times), MongoHoneypots(database)
    stored_peers = MongoBlacklistedPeers(database)
    stored_mass_mailings = MongoMassMailings(database, window=settings.mass_mailing_window)
    stored_correspondents = MongoCorrespondents(database, retention=settings.automatic_whitelist_retention)
    stored_complaints = MongoComplaints(database, retention=settings.complaint_retention)
    for store in (greylist, honeypots, stored_peers, stored_mass_mailings, stored_correspondents, stored_complaints):
        await store.prepare()

    blacklisted_peers = BlacklistedPeerTable(capacity=settings.blacklisted_peers_capacity)
    peers = PeerBlacklist(
        blacklisted_peers, stored_peers, shared.bus, capacity=settings.blacklisted_peers_capacity, clock=shared.clock
    )
    mass_mailings = MassMailingCounter(
        threshold=settings.mass_mailing_recipients,
        window=settings.mass_mailing_window,
        capacity=settings.mass_mailing_capacity,
    )
    # Database away: the automatic whitelist reports the outcome `error`; complaints are those that were read last.
    correspondents = AutomaticWhitelist(
        stored_correspondents, shared.bus, capacity=settings.automatic_whitelist_capacity, clock=shared.clock
    )
    complaints = ReportedSubjects(_thresholds(settings))

    async def refresh_complaints() -> None:
        complaints.replace(await stored_complaints.over_threshold(complaints.thresholds, shared.clock()))

    async def exchange() -> None:
        await mass_mailings.exchange(lambda counts: stored_mass_mailings.add(counts, shared.clock()))

    await peers.load()
    await refresh_complaints()
    return ReputationSlice(
        greylist=greylist,
        greylist_times=times,
        honeypots=honeypots,
        blacklisted_peers=blacklisted_peers,
        peers=peers,
        stored_peers=stored_peers,
        mass_mailings=mass_mailings,
        correspondents=correspondents,
        stored_correspondents=stored_correspondents,
        complaints=complaints,
        stored_complaints=stored_complaints,
        refresh_complaints=refresh_complaints,
        background=(
            Periodic("mass mailing counts", exchange, settings.flush_period),
            Periodic("complaints", refresh_complaints, _COMPLAINTS_PERIOD),
            Periodic("blacklisted peers", peers.load, settings.rulebook_max_age),
        ),
    )


def _greylist_times(settings: Settings) -> GreylistTimes:
    return GreylistTimes(
        delay=settings.greylisting_delay,
        retry_window=settings.greylisting_retry_window,
        retention=settings.greylisting_retention,
        network_passes=settings.greylisting_network_passes,
        per=settings.greylisting_per,
    )


def _thresholds(settings: Settings) -> ComplaintThresholds:
    return ComplaintThresholds(
        peer=settings.complaint_threshold_peer,
        sender=settings.complaint_threshold_sender,
        domain=settings.complaint_threshold_domain,
    )
