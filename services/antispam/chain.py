"""The chain: every filter in the order in which mail meets it. The only place with order and scores.

A new filter is its file in `filters/` (or its function in the file of its family), its line here, its test. ACCEPT and
REFUSE end the chain, SCORE adds, EXEMPT takes hits of later filters out of the count. 7.5 points are spam unless the
domain says otherwise.
"""

from __future__ import annotations

from datetime import timedelta

from services.antispam.filtering.steps import Kind, Step
from services.antispam.filters import (
    arc,
    attachment_fingerprint,
    automatic_whitelist,
    bayes,
    broken_form,
    cached_peer,
    checksum,
    click_here,
    disguised_author,
    disguised_link,
    dkim,
    dmarc,
    dnsbl,
    domain_complaints,
    duplicate_headers,
    empty_message,
    external_engines,
    forged_received,
    greylisting,
    helo,
    hidden_characters,
    honeypot,
    html_only,
    image_fingerprint,
    image_only,
    image_text,
    invalid_mx,
    ip_complaints,
    ip_lists,
    keyword_exceptions,
    keywords,
    logic,
    missing_date,
    missing_from,
    missing_message_id,
    missing_recipients,
    no_sender,
    reverse_dns,
    same_sender_recipient,
    scripts,
    sender_blacklist,
    sender_complaints,
    sender_whitelist,
    shouting_subject,
    spf,
    uribl,
    wrong_date,
)

_DNS = timedelta(seconds=8)  # all questions of one filter together; they start at the same time
_SPF = timedelta(seconds=15)  # RFC 7208 4.6.4: its look-ups follow one another, 20 seconds should be the end
# The settings have shorter ones; these are the upper bounds.
_ENGINE = timedelta(seconds=60)
_IMAGES = timedelta(seconds=20)
_QUERY = timedelta(seconds=2)  # of our own database, while it answers for all messages in flight

CHAIN: tuple[Step, ...] = (
    # First, and for all domains: ingress refuses such a peer at connect; the mail that it sent before is stopped here.
    Step.of(cached_peer, Kind.REFUSE, 100.0),
    # Where this is on, ingress makes strangers wait at RCPT; the step says how long they waited, and adds nothing.
    Step.of(greylisting, Kind.SCORE, 0.0, on=False, per_domain=True),
    # A trusted server vouches for all mail that it hands on.
    Step.of(ip_lists.ip_whitelist, Kind.ACCEPT, -100.0, per_domain=True),
    # Before the sender whitelist, for a forged sender must not profit from it. Where SPF fails, the filter evaluates
    # DKIM, DMARC and ARC before it decides.
    Step.of(spf.spf, Kind.REFUSE, 100.0, deadline=_SPF),
    # For domains to which no mail is forwarded.
    Step.of(spf.spf_strict, Kind.REFUSE, 100.0, deadline=_SPF, on=False),
    Step.of(spf.spf_vouched, Kind.SCORE, 0.0, needs_lookup=None),
    Step.of(spf.spf_softfail, Kind.SCORE, 2.0, deadline=_SPF),
    Step.of(spf.spf_permerror, Kind.SCORE, 0.5, deadline=_SPF),
    # Half of all domains publish no SPF record.
    Step.of(spf.spf_none, Kind.SCORE, 0.5, deadline=_SPF, on=False),
    # An administrator knows this sender.
    Step.of(sender_whitelist, Kind.ACCEPT, -100.0, per_domain=True),
    # A weight, not an absolute: it outweighs slips of form, but no sure result of Bayes.
    Step.of(automatic_whitelist, Kind.SCORE, -4.0, per_domain=True, deadline=_QUERY),
    # Behind the whitelists: mail that an administrator banned goes no further.
    Step.of(ip_lists.ip_blacklist, Kind.REFUSE, 100.0, per_domain=True),
    Step.of(sender_blacklist, Kind.REFUSE, 100.0, per_domain=True),
    # Not enough by itself: there are honest servers behind careless providers.
    Step.of(reverse_dns, Kind.SCORE, 2.0, deadline=_DNS),
    # From here on each filter adds its part. The envelope first, since it costs nothing to read.
    Step.of(no_sender, Kind.SCORE, 2.5),
    Step.of(same_sender_recipient, Kind.SCORE, 2.0),
    # No person ever gave the address away, so the sender harvested it.
    Step.of(honeypot, Kind.REFUSE, 100.0),
    # Several people here complained; a large provider has honest customers as well.
    Step.of(ip_complaints, Kind.SCORE, 4.0),
    # A sender that cannot be answered; newsletters have such senders as well.
    Step.of(invalid_mx, Kind.SCORE, 3.0, deadline=_DNS),
    # On at least half of the lists: nearly enough by itself.
    Step.of(dnsbl, Kind.SCORE, 6.0, deadline=_DNS),
    # Nothing to read for the filters behind it, nor for a person.
    Step.of(empty_message, Kind.SCORE, 2.0),
    # Before the filters and rules that it exempts.
    Step.of(keyword_exceptions, Kind.EXEMPT, 0.0, per_domain=True),
    # One point for each point of the rules that match.
    Step.of(keywords, Kind.SCORE, 1.0, per_domain=True),
    # The same rules over the text in images.
    Step.of(image_text, Kind.SCORE, 1.0, per_domain=True, deadline=_IMAGES),
    # Someone entered this image as spam: nearly enough, for a likeness may be an accident.
    Step.of(image_fingerprint, Kind.SCORE, 6.0, per_domain=True, deadline=_IMAGES),
    # Dozens at the same time are a mass mailing, which may be honest: a part of the sum only.
    Step.of(checksum, Kind.SCORE, 2.5),
    # The site that spam advertises is on such lists within hours.
    Step.of(uribl, Kind.SCORE, 6.0, deadline=_DNS),
    # Someone entered this very file as spam: enough by itself.
    Step.of(attachment_fingerprint, Kind.SCORE, 8.0),
    # The best filter of all: sure spam needs no second filter, sure ham outweighs slips of form.
    Step.of(bayes, Kind.SCORE, 8.0, per_domain=True),
    # Only where an engine is configured. At the engine's own threshold it is a strong sign, at one and a half of it
    # enough by itself; a score for ham takes off 2.5 points at most.
    Step.of(
        external_engines.spamassassin,
        Kind.SCORE,
        5.0,
        deadline=_ENGINE,
        needs_lookup=external_engines.asks_spamassassin,
    ),
    Step.of(external_engines.rspamd, Kind.SCORE, 5.0, deadline=_ENGINE, needs_lookup=external_engines.asks_rspamd),
    # Off: for domains without correspondents who write in these scripts.
    Step.of(scripts.cyrillic, Kind.SCORE, 4.0, on=False),
    Step.of(scripts.han, Kind.SCORE, 4.0, on=False),
    # 3 points for a name of this site, less for mistakes of honest servers.
    Step.of(helo, Kind.SCORE, 3.0, deadline=_DNS),
    # Always on while antispam is on: only the whitelists above outweigh the complaints of several people.
    Step.of(sender_complaints, Kind.REFUSE, 100.0, per_domain=True, mandatory=True),
    Step.of(domain_complaints, Kind.SCORE, 2.5, per_domain=True, mandatory=True),
    # The form of the message: each a small sign, together a picture. Forgeries weigh most.
    Step.of(duplicate_headers, Kind.SCORE, 5.0),
    Step.of(forged_received, Kind.SCORE, 3.0),
    Step.of(disguised_author, Kind.SCORE, 2.0),
    # Little: newsletters whose links count their readers hit it as often as spam (1.7 % of ham, 1.2 % of spam).
    Step.of(disguised_link, Kind.SCORE, 0.3),
    Step.of(hidden_characters, Kind.SCORE, 2.0),
    Step.of(broken_form, Kind.SCORE, 1.5),
    Step.of(missing_from, Kind.SCORE, 2.5),
    Step.of(missing_date, Kind.SCORE, 1.0),
    Step.of(wrong_date, Kind.SCORE, 1.0),
    Step.of(missing_message_id, Kind.SCORE, 1.0),
    # Hardly anything, since it hits 3 % of ham and of spam alike; it is there for the logic rules.
    Step.of(missing_recipients, Kind.SCORE, 0.1),
    Step.of(html_only, Kind.SCORE, 1.0),
    Step.of(image_only, Kind.SCORE, 1.0),
    Step.of(click_here, Kind.SCORE, 1.2),
    Step.of(shouting_subject, Kind.SCORE, 0.8),
    # Broken signatures are common; only together with other signs do they count.
    Step.of(dkim, Kind.SCORE, 0.5, deadline=_DNS),
    # Before `dmarc`, which it exempts.
    Step.of(arc, Kind.EXEMPT, 0.0, deadline=_DNS),
    # The author's domain asks to refuse it (all of the score) or to hold it (enough by itself, too).
    Step.of(dmarc, Kind.SCORE, 10.0, deadline=_DNS),
    # Last, so that its rules may combine everything above; the place does not change the sum.
    Step.of(logic, Kind.SCORE, 1.0, per_domain=True),
)
