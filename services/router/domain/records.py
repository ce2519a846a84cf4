"""The documents of the router: one for each domain, one for each address."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, model_validator

Kind = Literal["account", "alias", "forward"]


class DirectoryRecord(BaseModel):
    """Frozen. `version` grows by one with every change.

    `birth` is random: a record that was deleted and made again has versions that were there before.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: int = 1
    birth: str = ""
    created_at: datetime


class Domain(DirectoryRecord):
    """A main domain, or with `alias_of` another name of one. `accounts` and `addresses` are counted by transactions.

    `default_quota_bytes` is a wish of `quota_at`, which quota hears of: the limit that counts is quota's.
    """

    name: str
    alias_of: str | None = None
    max_accounts: int | None = None
    default_quota_bytes: int | None = None
    quota_at: datetime | None = None
    max_message_bytes: int | None = None
    account_prefix: str | None = None
    catch_all: str | None = None
    postmaster: str | None = None
    junk_keep_days: int | None = None
    accounts: int = 0
    addresses: int = 0


class AccountDetails(BaseModel):
    """The attributes of an account besides its routes. The hash of its password is kept elsewhere.

    `quota_bytes` is a wish of `quota_at`, which quota hears of: the limit that counts is quota's.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    login: str
    official_address: str
    surname: str = ""
    given_names: str = ""
    profile: str = "standard"
    quota_bytes: int | None = None
    quota_at: datetime | None = None
    suspended: bool = False
    may_send: bool = True

    @model_validator(mode="before")
    @classmethod
    def _read_the_former_name(cls, fields: Any) -> Any:
        """Documents of versions before 0.1.0 name the field `locked`."""
        if isinstance(fields, dict) and "locked" in fields:
            rest = {name: value for name, value in fields.items() if name != "locked"}
            return {"suspended": fields["locked"], **rest}
        return fields


class AddressRecord(DirectoryRecord):
    """A local address has exactly one kind. `address` is canonical and lies in a main domain.

    account: `targets` is its redirect, `keep_copy` whether its mailbox still gets a copy; its first address
    names its mailbox for ever, so that a new official address moves no mail. alias: `targets`, one or more, and
    `owner` when it is another address of that account. forward: `targets` is the one external address.
    """

    address: str
    domain: str
    kind: Kind
    targets: tuple[str, ...] = ()
    keep_copy: bool = True
    replications: tuple[str, ...] = ()
    owner: str | None = None
    account: AccountDetails | None = None

    @property
    def details(self) -> AccountDetails:
        """The details of an account. Raises `LookupError` for an alias, which is a bug of the caller."""
        if self.account is None:
            raise LookupError(f"a {self.kind} has no account details")
        return self.account

    def with_details(self, **changes: object) -> AddressRecord:
        """Return the same account with other details."""
        return self.model_copy(update={"account": self.details.model_copy(update=changes)})
