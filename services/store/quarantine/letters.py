"""Composes notices and digests in text and HTML, with no content that a spammer could exploit.

Subjects and senders come from strangers: control characters are removed, and HTML is escaped. `libs.postmaster` writes
the message.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Literal

from libs.postmaster import Letter, compose, plain
from services.store.quarantine.digest import DigestContent, DigestEntry
from services.store.quarantine.links import QuarantineLink, TokenSigner
from services.store.quarantine.model import QuarantinedMessage
from services.store.quarantine.notice import NoticePlan
from services.store.quarantine.texts import TEXTS, Language

PATHS = {"validate": "/public/quarantine/validate", "own": "/public/quarantine/held"}

# What a spammer would advertise: a URL, an email address, a phone number.
_BAIT = re.compile(r"://|www\.|@|[\w-]\.[a-z]{2,}|[+\d][\d ().-]{6,}\d|bit\.ly", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class QuarantineLetters:
    """`public_url` is the public URL of the pages, without a slash at its end; `author` is a local part."""

    signer: TokenSigner
    public_url: str
    hostname: str
    author: str

    def url(self, link: QuarantineLink) -> str:
        return f"{self.public_url}{PATHS[link.purpose]}/{self.signer.token(link)}"

    def notice(
        self, held: QuarantinedMessage, plan: NoticePlan, link: QuarantineLink, *, domain: str, now: datetime
    ) -> bytes:
        """Compose the notice to the envelope sender, which asks for a captcha."""
        texts, url = TEXTS[plan.language], self.url(link)
        asked = [to.original or to.address for to in held.envelope.recipients if to.address in plan.recipients]
        facts = [texts["notice_to"].format(recipients=", ".join(asked[:20]))]
        subject = plain(held.summary.subject)
        if subject and not _BAIT.search(subject):
            facts.append(texts["notice_about"].format(subject=subject[:80]))
        facts.append(texts["notice_at"].format(at=moment(held.envelope.received_at)))
        until = texts["notice_until"].format(until=moment(held.expires_at))
        intro = texts["notice_intro"].format(domain=domain)
        text = "\n\n".join((intro, "\n".join(facts), texts["notice_ask"], url, until, texts["notice_ignore"])) + "\n"
        html = _html(
            plan.language,
            f"<p>{escape(intro)}</p><p>{'<br>'.join(map(escape, facts))}</p>"
            f'<p><a href="{escape(url)}">{escape(texts["notice_button"])}</a></p>'
            f"<p>{escape(until)}</p><p>{escape(texts['notice_ignore'])}</p>",
        )
        return self._letter(
            held.envelope.mail_from,
            domain,
            now,
            subject=texts["notice_subject"].format(domain=domain),
            text=text,
            html=html,
            key=f"notice:{held.envelope.id}",
            automatic="auto-replied",
            answers=held.summary.message_id,
        )

    def digest(self, account: str, told: DigestContent, *, language: Language, domain: str, now: datetime) -> bytes:
        """Compose the digest for a local account: its held messages, with a link for each."""
        texts = TEXTS[language]
        rows = [
            (entry, self.url(QuarantineLink("own", entry.id, entry.expires_at, entry.recipients)))
            for entry in told.waiting
        ]
        more = texts["digest_more"].format(count=told.count - len(rows)) if told.count > len(rows) else ""
        intro = texts["digest_intro"].format(account=account)
        text = "\n\n".join(filter(None, (intro, *_as_text(rows, texts), more, texts["digest_warning"]))) + "\n"
        html = _html(
            language,
            f"<p>{escape(intro)}</p>{_as_table(rows, texts)}"
            f"<p>{escape(more)}</p><p>{escape(texts['digest_warning'])}</p>",
        )
        wording = "digest_subject_one" if told.count == 1 else "digest_subject"
        return self._letter(
            account,
            domain,
            now,
            subject=texts[wording].format(count=told.count, account=account),
            text=text,
            html=html,
            key=f"digest:{domain}:{account}:{now.isoformat()}",
            automatic="auto-generated",
        )

    def _letter(
        self,
        to: str,
        domain: str,
        now: datetime,
        *,
        subject: str,
        text: str,
        html: str,
        key: str,
        automatic: Literal["auto-generated", "auto-replied"],
        answers: str = "",
    ) -> bytes:
        letter = Letter(
            author_name="Quarantine", author=f"{self.author}@{domain}", to=to, subject=subject, text=text, html=html,
            key=key, automatic=automatic, answers=answers,
        )  # fmt: skip
        return compose(letter, hostname=self.hostname, now=now)


def moment(at: datetime) -> str:
    """Format a time, in the same way in every language."""
    return at.strftime("%Y-%m-%d %H:%M UTC")


def _as_text(rows: Iterable[tuple[DigestEntry, str]], texts: dict[str, str]) -> Iterable[str]:
    for entry, url in rows:
        facts = (
            ("from", plain(entry.sender)),
            ("subject", plain(entry.subject) or texts["no_subject"]),
            ("held", moment(entry.at)),
            ("digest_look", url),
        )
        yield "\n".join(f"{texts[name]}: {value}" for name, value in facts)


def _as_table(rows: Iterable[tuple[DigestEntry, str]], texts: dict[str, str]) -> str:
    head = "".join(f'<th scope="col">{escape(texts[name])}</th>' for name in ("from", "subject", "held"))
    lines = (
        f"<tr><td>{escape(plain(entry.sender))}</td>"
        f"<td>{escape(plain(entry.subject) or texts['no_subject'])}</td><td>{moment(entry.at)}</td>"
        f'<td><a href="{escape(url)}">{escape(texts["digest_look"])}</a></td></tr>'
        for entry, url in rows
    )
    return f"<table><thead><tr>{head}<td></td></tr></thead><tbody>{''.join(lines)}</tbody></table>"


def _html(language: Language, content: str) -> str:
    return f'<!DOCTYPE html><html lang="{language}"><head><meta charset="utf-8"></head><body>{content}</body></html>'
