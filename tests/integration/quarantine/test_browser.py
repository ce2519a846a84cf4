"""The pages in a real browser, as a person uses them: keyboard only, without the picture, without a script."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from playwright.async_api import Page, async_playwright

from tests.integration.quarantine.people import People, spam, text_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHROMIUM = "/usr/bin/chromium"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tab() -> AsyncIterator[Page]:
    """French, and it fails whatever the pages ask of other places."""
    async with async_playwright() as playwright:
        options = ["--no-sandbox", "--disable-dev-shm-usage", "--no-proxy-server"]
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=options, timeout=120_000)
        context = await browser.new_context(locale="fr-FR")
        context.set_default_timeout(60_000)
        yield await context.new_page()
        await browser.close()


async def test_a_sender_validates_with_the_keyboard_alone(people: People, tab: Page) -> None:
    site = await people.site(account=True)
    _, url = await people.noticed(spam(site, subject="Devis <img src=x onerror=alert(1)>"))
    asked, violations = [], []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("console", lambda message: violations.append(message.text))
    tab.on("dialog", lambda dialog: violations.append(dialog.message))
    await tab.goto(url)
    assert await tab.get_attribute("html", "lang") == "fr"
    picture = tab.get_by_role("img")
    assert await picture.evaluate("image => image.complete && image.naturalWidth > 100")
    assert "lettres" in (await picture.get_attribute("alt") or "")
    assert await tab.get_by_text("<img src=x").count() == 1
    field = tab.get_by_role("textbox")
    await field.fill("1")
    await tab.keyboard.press("Enter")
    await tab.get_by_role("alert").wait_for()
    assert await tab.get_by_text(f"postmaster@{site.domain}").count() == 1
    await tab.get_by_role("textbox").fill(people.answer_to(await tab.content(), url)["answer"])
    await tab.keyboard.press("Tab")
    await tab.keyboard.press("Enter")
    await tab.get_by_role("heading", name="Message remis").wait_for()
    [message] = await people.until(lambda: people.inbox(site.account))
    assert message["subject"].startswith("Devis")
    assert {each.partition("/public/")[0] for each in asked if not each.startswith("data:")} == {
        people.settings["store"].url_of("store")
    }
    # A 422 is noted by the browser, and there is no other complaint: the style sheet is in force under the CSP.
    assert [text for text in violations if "422" not in text] == []
    assert await tab.evaluate("getComputedStyle(document.body).maxWidth") != "none"


async def test_an_account_releases_from_its_digest(people: People, tab: Page) -> None:
    site = await people.site(account=True, digest="daily", notices=False)
    await people.hold(spam(site, subject="Facture"))
    people.clock.ahead = timedelta(days=1)
    await people.digests().round()
    people.clock.ahead = timedelta()
    [link] = re.findall(r"https?://\S+", text_of(await people.letter_to(site.account)))
    await tab.goto(link)
    await tab.get_by_role("button", name="Me le remettre").click()
    await tab.get_by_role("heading", name="Message remis").wait_for()
    await people.until(lambda: people.inbox(site.account))
    await tab.goto(link)
    await tab.get_by_role("heading", name="Rien n'attend ici").wait_for()
