"""The policy of a domain: the action for spam, the required score, the filters, quarantine notices and digests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

DEFAULT = "default"  # the policy from which all others inherit; no local domain has a name without a dot
OUTGOING = "outgoing"  # the policy for remote recipients

Score = Annotated[float, Field(ge=-100, le=100)]
FilterName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,40}$")]


class Policy(BaseModel):
    """A complete policy. A domain inherits missing fields from the policy `default`, and that from these defaults."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", json_schema_extra={"examples": [{"enabled": True, "action": "junk"}]}
    )

    enabled: bool = Field(True, description="Whether mail of this domain is filtered.")
    action: Literal["tag", "junk", "quarantine"] = Field(
        "tag", description="Action for spam: a subject prefix in INBOX, the folder Junk, or the quarantine."
    )
    subject_prefix: str = Field(
        "[SPAM]", max_length=40, pattern=r"^[ -~]*$", description="Prefix of the subject when the action is tag."
    )
    required: float = Field(7.5, gt=0, le=100, description="Score from which on a message is spam.")
    convention: Literal["higher", "below_zero"] = Field(
        "higher", description="Scores as people see them: spam reaches `required`, or spam is below zero."
    )
    filters: Mapping[FilterName, bool] = Field({}, description="Filters switched on or off, by name.")
    scores: Mapping[FilterName, Score] = Field({}, description="Scores that replace those of the chain, by filter.")
    whitelist_from_header: bool = Field(
        True, description="Whether the sender whitelist matches the From header as well as the envelope sender."
    )
    training: bool = Field(
        True,
        description="Whether managers train by mail to spam@ and ham@ of the domain, unless a mailbox has that name.",
    )
    learns: bool = Field(
        True, description="Whether the domain's own statistics count in addition to those of all domains."
    )
    # Notices and digests of the quarantine are sent by store, which reads these fields over HTTP.
    notices: bool = Field(
        True, description="Whether a quarantined sender gets a notice with a link to validate itself as a person."
    )
    notices_to_own_senders: bool = Field(
        True, description="Whether senders of the domain itself also get such notices."
    )
    validation_whitelists: bool = Field(
        True, description="Whether a sender that validated itself is whitelisted for the domain."
    )
    digest: Literal["off", "daily", "weekly"] = Field(
        "off", description="Period of the digest that lists an account's messages in the quarantine."
    )
    language: Literal["en", "fr"] = Field("en", description="Language of notices and digests.")


DEFAULT_POLICY = Policy()
DEFAULT_OUTGOING_POLICY = Policy(enabled=False)


def inherit(own: Mapping[str, object], base: Policy) -> Policy:
    """Return `base` with the fields of `own`; filters and scores are replaced one by one."""
    merged = {**base.model_dump(), **own}
    for name in ("filters", "scores"):
        merged[name] = {**getattr(base, name), **own.get(name, {})}  # type: ignore[dict-item]
    return Policy.model_validate(merged)
