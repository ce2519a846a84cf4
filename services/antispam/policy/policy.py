"""What an administrator decided for a domain: what becomes of spam, from which score on, with which filters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

DEFAULT = "default"  # the policy under all others; no domain of ours has a name without a dot
OUTGOING = "outgoing"  # the policy for recipients that are elsewhere

Score = Annotated[float, Field(ge=-100, le=100)]
FilterName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,40}$")]


class Policy(BaseModel):
    """A complete policy. What a domain leaves out comes from the policy `default`, what that leaves out from here."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    enabled: bool = Field(True, description="Off: mail of this domain is not judged at all.")
    action: Literal["tag", "junk", "quarantine"] = Field(
        "tag", description="What becomes of spam: subject prefix and INBOX, the folder Junk, or the quarantine."
    )
    subject_prefix: str = Field(
        "[SPAM]", max_length=40, pattern=r"^[ -~]*$", description="Put before the subject when the action is tag."
    )
    required: float = Field(7.5, gt=0, le=100, description="Score from which on a message is spam.")
    convention: Literal["higher", "below_zero"] = Field(
        "higher", description="Scores as people see them: spam is what reaches `required`, or what is below zero."
    )
    filters: Mapping[FilterName, bool] = Field({}, description="Filters switched on or off, by name.")
    scores: Mapping[FilterName, Score] = Field({}, description="Scores of filters other than the chain's, by name.")
    whitelist_from_header: bool = Field(
        True, description="The sender whitelist looks at the From header as well as at the envelope sender."
    )
    training: bool = Field(
        True, description="Managers train by mail to spam@ and ham@ of the domain, where no mailbox has these names."
    )
    learns: bool = Field(True, description="What is learned for this domain counts for it, besides what all learned.")
    # What follows is store's to do, which asks for it over HTTP (R-SPAM-42, R-ST-06).
    notices: bool = Field(
        True, description="Quarantine: the sender gets a notice with a link, to show that it is a person."
    )
    notices_to_own_senders: bool = Field(True, description="Such notices also to addresses of the domain itself.")
    validation_whitelists: bool = Field(
        True, description="A sender that followed the link is whitelisted for the domain."
    )
    digest: Literal["off", "daily", "weekly"] = Field(
        "off", description="Quarantine: how often an account is told what waits for it there."
    )
    language: Literal["en", "fr"] = Field("en", description="Language of notices and digests.")


DEFAULT_POLICY = Policy()
DEFAULT_OUTGOING_POLICY = Policy(enabled=False)


def layered(own: Mapping[str, object], under: Policy) -> Policy:
    """`under` with the fields of `own` over it; filters and scores are laid over one by one."""
    merged = {**under.model_dump(), **own}
    for name in ("filters", "scores"):
        merged[name] = {**getattr(under, name), **own.get(name, {})}  # type: ignore[dict-item]
    return Policy.model_validate(merged)
