"""The demonstration of embedded mode: creates a domain with two accounts at the first start, prints first steps."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from libs.envelope import Permanent
from libs.http import Client
from libs.settings import ServiceSettings
from services import SERVICES

DOMAIN = "example.org"
ACCOUNTS = ("jean.toto@example.org", "marie.dupont@example.org")
FILE = "demo-passwords"


async def first_steps(settings: ServiceSettings) -> None:
    """Create the demonstration unless it exists, then print all addresses. Raises `Temporary`, `Permanent`."""
    passwords = settings.var_dir / FILE
    if settings.bus_url.startswith("embedded:") and not passwords.exists():
        await _create(settings, passwords)
    print(_welcome(settings), flush=True)  # noqa: T201


async def _create(settings: ServiceSettings, passwords: Path) -> None:
    """Write the passwords to a file before the accounts get them, so that a start that is cut off can go on."""
    pending = passwords.with_suffix(".pending")
    if not pending.exists():
        _write(pending, "".join(f"{address} {_password()}\n" for address in ACCOUNTS))
    token = settings.admin_token_file.read_text().strip()
    client = Client(settings.url_of("router"), token=lambda: token)
    try:
        await _post(client, "/v1/domains", {"name": DOMAIN})
        for address, password in (line.split() for line in pending.read_text().splitlines()):
            await _post(client, "/v1/accounts", {"address": address, "password": password})
    finally:
        await client.close()
    pending.rename(passwords)


async def _post(client: Client, path: str, body: dict[str, str]) -> None:
    response = await client.call("POST", path, json=body)
    if response.is_error and response.status_code != 409:  # 409: made by a start that was cut off here
        raise Permanent(f"demonstration: {response.status_code} {response.text[:200]}")


def _password() -> str:
    """A random password of letters and digits, with 96 bits of entropy."""
    return f"{secrets.token_hex(12)}a1"


def _write(path: Path, text: str) -> None:
    """Write a file that only its owner can read, and that exists only when it is complete."""
    aside = path.with_suffix(".part")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    aside.rename(path)


def _welcome(settings: ServiceSettings) -> str:
    base, var = settings.port_base, settings.var_dir
    return f"""
Facteur is up. Its data are in {var}/.

  SMTP (MX)               127.0.0.1:{2525 + base}
  submission (STARTTLS)   127.0.0.1:{2587 + base}
  submissions (TLS)       127.0.0.1:{2465 + base}
  HTTP APIs               {", ".join(f"{name} {settings.port_of(name)}" for name in SERVICES)}
                          (each with /docs, /metrics, /healthz, /readyz)

  Accounts                {", ".join(ACCOUNTS)}; passwords in {var}/{FILE}
  Administrator's token   {settings.admin_token_file}

First steps:
  swaks --server 127.0.0.1:{2525 + base} --from you@example.net --to {ACCOUNTS[0]} --header 'Subject: Bonjour'
  curl -H "Authorization: Bearer $(cat {settings.admin_token_file})" \\
       'http://127.0.0.1:{settings.port_of("store")}/v1/mailboxes/{ACCOUNTS[0]}/messages?folder=INBOX'
"""
