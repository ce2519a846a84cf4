"""A mailbox has one limit: quota owns it, and what router is asked for reaches quota."""

from __future__ import annotations

import uuid
from typing import Any

from tests.servers.facteur import Facteur
from tests.waiting import wait_for

PASSWORD = "motdepasse1"


def limited(facteur: Facteur, address: str, limit_bytes: int) -> None:
    """Waits until this is the limit that counts."""

    def seen() -> bool:
        return bool(facteur.get("quota", f"/v1/usage/{address}")["limit_bytes"] == limit_bytes)

    wait_for(seen, what=lambda: f"{limit_bytes}, not {facteur.get('quota', f'/v1/usage/{address}')}")


def change(facteur: Facteur, method: str, service: str, path: str, **body: Any) -> Any:
    answer = facteur.call(method, service, path, json=body)
    assert answer.is_success, answer.text
    return answer.json()


def test_the_younger_of_two_limits_counts_wherever_it_was_given(facteur: Facteur) -> None:
    address = f"limite-{uuid.uuid4().hex[:10]}@example.org"
    made = facteur.post("router", "/v1/accounts", {"address": address, "password": PASSWORD, "quota_bytes": 9000})
    assert "quota_bytes" not in made
    limited(facteur, address, 9000)
    assert change(facteur, "PUT", "quota", f"/v1/limits/{address}", limit_bytes=5000)["limit_bytes"] == 5000
    # What router tells next of the account still holds the older wish.
    change(facteur, "PATCH", "router", f"/v1/accounts/{address}", profile="guest")
    change(facteur, "PATCH", "router", f"/v1/accounts/{address}", quota_bytes=7000)
    limited(facteur, address, 7000)
    change(facteur, "PUT", "quota", f"/v1/limits/{address}", limit_bytes=6000)
    change(facteur, "PATCH", "router", f"/v1/accounts/{address}", quota_bytes=None)
    profiles = {each["name"]: each["limit_bytes"] for each in facteur.get("quota", "/v1/profiles")["items"]}
    limited(facteur, address, profiles["guest"])


def test_the_limit_of_a_domain_is_one_in_every_form_of_its_name(facteur: Facteur) -> None:
    label = f"münchen-{uuid.uuid4().hex[:10]}"
    unicode, ascii_form = f"{label}.test", f"{label}.test".encode("idna").decode()
    facteur.post("router", "/v1/domains", {"name": unicode, "default_quota_bytes": 8000})
    facteur.post("router", "/v1/accounts", {"address": f"a@{ascii_form}", "password": PASSWORD})
    limited(facteur, f"a@{unicode}", 8000)
    change(facteur, "PUT", "quota", f"/v1/domain-limits/{unicode}", limit_bytes=5000)
    limited(facteur, f"a@{ascii_form}", 5000)
    assert "default_quota_bytes" not in change(facteur, "PATCH", "router", f"/v1/domains/{unicode}", max_accounts=3)
    change(facteur, "PATCH", "router", f"/v1/domains/{ascii_form}", default_quota_bytes=6000)
    limited(facteur, f"a@{unicode}", 6000)
    change(facteur, "PUT", "quota", f"/v1/limits/a@{unicode}", limit_bytes=4000)
    limited(facteur, f"A@{ascii_form}", 4000)
    assert facteur.get("quota", f"/v1/limits/a@{ascii_form}") == {"limit_bytes": 4000}
    assert facteur.get("quota", f"/v1/domain-limits/{unicode}") == {"limit_bytes": 6000}


def test_limits_of_what_does_not_exist_are_not_found(facteur: Facteur) -> None:
    for path in ("limits/nobody@example.org", "limits/a@nowhere.test", "domain-limits/nowhere.test"):
        assert facteur.call("GET", "quota", f"/v1/{path}").status_code == 404
        assert facteur.call("PUT", "quota", f"/v1/{path}", json={"limit_bytes": 1}).status_code == 404
    for path in ("limits/%00", "domain-limits/%00", "limits/%00@example.org"):
        assert facteur.call("GET", "quota", f"/v1/{path}").status_code == 422
        assert facteur.call("PUT", "quota", f"/v1/{path}", json={"limit_bytes": 1}).status_code == 422


def test_a_suspension_is_one_in_every_form_of_the_name_of_the_destination(facteur: Facteur) -> None:
    label = f"münchen-{uuid.uuid4().hex[:10]}"
    unicode, ascii_form = f"{label}.example", f"{label}.example".encode("idna").decode()
    change(facteur, "PUT", "relay", f"/v1/destinations/{unicode}", suspended=True)
    assert facteur.get("relay", f"/v1/destinations/{ascii_form.upper()}")["suspended"]
    change(facteur, "PUT", "relay", f"/v1/destinations/{ascii_form}", suspended=False)
    assert facteur.call("GET", "relay", f"/v1/destinations/{unicode}").status_code == 404
    for method, body in (("GET", None), ("PUT", {"suspended": True})):
        assert facteur.call(method, "relay", "/v1/destinations/%00", json=body).status_code == 422
