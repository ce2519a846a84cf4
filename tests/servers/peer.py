"""A peer that keeps on trying, as mail servers do, and remembers what it was told."""

from __future__ import annotations

import smtplib
import threading
import time
import uuid
from collections import Counter

from tests.servers import ledger
from tests.servers.facteur import Facteur
from tests.waiting import wait_for

SENDER = "someone@example.net"


class Peer:
    """Sends messages with subjects of its own to one account; a refusal or a broken connection is tried again."""

    def __init__(self, facteur: Facteur, recipient: str, *, connections: int = 8) -> None:
        self.run = uuid.uuid4().hex[:8]
        self.accepted: set[str] = set()
        self.refusals: Counter[int] = Counter()
        self._facteur = facteur
        self._recipient = recipient
        self._connections = connections
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._numbers = iter(range(10**9))
        self._stop = threading.Event()
        facteur.before_close.append(self.close)

    def start(self, count: int) -> None:
        """Begin to send `count` messages in the background."""
        per_connection = -(-count // self._connections)
        # Threads of a daemon: after a test that failed they must not keep its process from its end.
        self._threads = [
            threading.Thread(target=self._session, args=(per_connection,), daemon=True)
            for _ in range(self._connections)
        ]
        for thread in self._threads:
            thread.start()

    def finish(self, deadline: float = 250) -> None:
        """Wait until all are accepted."""
        end = time.monotonic() + deadline
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
            assert not thread.is_alive(), f"not accepted within {deadline} s: {self.refusals}"

    def wait_for_accepted(self, count: int, deadline: float = 60) -> None:
        wait_for(lambda: len(self.accepted) >= count, deadline=deadline, what=lambda: f"{len(self.accepted)} accepted")

    def close(self) -> None:
        """Send no more; a try that is under way ends by itself."""
        self._stop.set()

    def send(self, subject: str, *, size: int = 2000) -> int:
        """One try; the reply code, 0 when the connection broke."""
        try:
            with smtplib.SMTP("127.0.0.1", self._facteur.port("mx"), timeout=60) as smtp:
                smtp.sendmail(SENDER, [self._recipient], a_message(subject, size=size))
                return 250
        except smtplib.SMTPRecipientsRefused as error:
            return next(iter(error.recipients.values()))[0]
        except smtplib.SMTPResponseException as error:
            return error.smtp_code
        except (smtplib.SMTPException, OSError):
            return 0

    def _session(self, count: int) -> None:
        for _ in range(count):
            if self._stop.is_set():
                return
            with self._lock:
                subject = f"{self.run}-{next(self._numbers)}"
            while not self._stop.is_set():
                code = self.send(subject)
                if code == 250:
                    with self._lock:
                        self.accepted.add(subject)
                    break
                with self._lock:
                    self.refusals[code] += 1
                time.sleep(0.1)

    def counts(self) -> Counter[str]:
        """How often each of our messages is in the mailbox."""
        subjects = (item["subject"] for item in self._facteur.messages(self._recipient))
        return Counter(subject for subject in subjects if subject.startswith(self.run))

    def all_are_there_once(self, deadline: float = 250) -> None:
        """The invariant: what got 250 is in the mailbox, once. What did not may be there once at most, too."""

        def arrived() -> bool:
            return self.accepted <= set(self.counts())

        wait_for(
            arrived, deadline=deadline,
            what=lambda: f"lost: {sorted(self.accepted - set(self.counts()))[:5]}; {self._facteur.log()[-3000:]}",
        )  # fmt: skip
        ledger.enter(self._account())

    def _account(self) -> dict[str, int]:
        """What became of our messages, by column of the ledger."""
        counts = self.counts()
        accepted, delivered = len(self.accepted), len(self.accepted & set(counts))
        elsewhere = {"quarantined": self._quarantined(), "returned": self._returned(), "parked": self._parked()}
        # RFC 1047: a peer whose connection broke behind the final dot tries again; the first try may have been taken.
        unheard = self.refusals[0]
        return {
            "accepted": accepted,
            "delivered": delivered,
            **elsewhere,
            "lost": max(accepted - delivered - sum(elsewhere.values()), 0),
            "twice": max(sum(count - 1 for count in counts.values()) - unheard, 0),
            "tried_again_unheard": unheard,
        }

    def _quarantined(self) -> int:
        held = self._facteur.get("store", "/v1/quarantine", account=self._recipient)
        return len(held["items"])

    def _returned(self) -> int:
        queued = self._facteur.get("relay", "/v1/queue", limit=200)["items"]
        return sum(entry["recipient"] == SENDER for entry in queued)

    def _parked(self) -> int:
        """Dead letters of any stage for our recipient; what is no message is nobody's."""
        letters = (
            letter
            for service in ("antivirus", "antispam", "router", "store", "relay")
            for letter in self._facteur.get(service, "/v1/dead-letters")["items"]
        )
        recipients = (letter["envelope"]["recipients"] for letter in letters if letter["envelope"])
        return sum(any(to["address"] == self._recipient for to in each) for each in recipients)


def a_message(subject: str, *, size: int = 2000) -> bytes:
    """A plain message of about `size` bytes."""
    head = (
        f"From: {SENDER}\r\nTo: jean.toto@example.org\r\nSubject: {subject}\r\n"
        f"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <{subject}@example.net>\r\n\r\n"
    )
    return head.encode() + b"Bonjour, voici une ligne de texte.\r\n" * (size // 36)
