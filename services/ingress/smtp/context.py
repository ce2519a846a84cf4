"""What all SMTP sessions of a process share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from libs.tls import Certificates
from services.ingress.admission import SmtpAdmission
from services.ingress.authentication import Authenticator
from services.ingress.domain.acceptance import Acceptance
from services.ingress.domain.blacklist import Blacklist
from services.ingress.domain.budget import Budget
from services.ingress.domain.duplicates import Duplicates
from services.ingress.domain.timeouts import Timeouts
from services.ingress.metrics import IngressMetrics
from services.ingress.publisher import MessagePublisher
from services.ingress.settings import Settings


@dataclass(frozen=True, slots=True)
class SmtpContext:
    """Built once, in `app.py`. `healthy` tells whether the bus accepts messages."""

    settings: Settings
    admission: SmtpAdmission
    acceptance: Acceptance
    authenticator: Authenticator
    publisher: MessagePublisher
    blacklist: Blacklist
    budget: Budget
    duplicates: Duplicates
    certificates: Certificates
    timeouts: Timeouts
    metrics: IngressMetrics
    healthy: Callable[[], bool]
