"""Chromium signs in: with password and code, with a passkey, and by an invitation."""

import base64
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from civicam.access.sign_in.codes import Codes
from tests.browser.conftest import PATIENCE_S, Demo, sign_in, until

pytestmark = pytest.mark.timeout(2 * PATIENCE_S)
AUTHENTICATOR = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip
PASSWORD = "seven quiet herons over the weir"


@pytest.fixture
def stranger(browser: Browser, demo: Demo) -> Iterator[Page]:
    """The page in a browser in which nobody is signed in, by a name that passkeys can be bound to."""
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(PATIENCE_S * 1000)
    page.goto(demo.address.replace("127.0.0.1", "localhost"))
    yield page
    context.close()


def who(page: Page) -> str:
    page.wait_for_selector("#who-name:not(:empty)")
    return page.inner_text("#who-name")


def post(page: Page, path: str, body: Any) -> Any:
    """What the page itself could ask, in the session that it has."""
    return page.evaluate(
        """async ([path, body]) => {
            const options = { method: "POST", headers: { "Content-Type": "application/json" } };
            const answer = await fetch(path, { ...options, body: JSON.stringify(body) });
            return answer.status === 204 ? null : answer.json();
        }""",
        [path, body],
    )


def test_nobody_sees_anything_before_they_sign_in_or_after_they_sign_out(stranger: Page, demo: Demo) -> None:
    stranger.wait_for_selector("#sign-in[open]")
    assert stranger.locator("#wall li").count() == 0
    sign_in(stranger, demo, "operator")
    assert who(stranger) == "Dilshod (operator)"
    stranger.wait_for_selector("#wall li")
    stranger.click("#who-name")
    stranger.click("#sign-out")
    stranger.wait_for_selector("#sign-in[open]")
    assert stranger.locator("#wall li").count() == 0


def test_a_wrong_password_is_told_without_saying_what_was_wrong(stranger: Page) -> None:
    stranger.wait_for_selector("#sign-in[open]")
    stranger.fill("#login", "operator")
    stranger.fill("#password", "wrong")
    stranger.fill("#code", "000000")
    stranger.keyboard.press("Enter")
    until(lambda: "login, password or code are wrong" in stranger.inner_text("#sign-in-said"), "what was wrong")


def test_a_passkey_is_added_and_lets_in_by_itself(stranger: Page, demo: Demo) -> None:
    devtools = stranger.context.new_cdp_session(stranger)
    devtools.send("WebAuthn.enable")
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    sign_in(stranger, demo, "auditor")
    stranger.click("#who-name")
    stranger.click("#add-passkey")
    until(lambda: "from now on" in stranger.inner_text("#who-said"), "the passkey is added")
    stranger.click("#sign-out")
    stranger.wait_for_selector("#sign-in[open]")
    stranger.click("#use-passkey")
    assert who(stranger) == "Shirin (auditor)"
    told = stranger.evaluate("async () => (await fetch('/api/ledger')).json()")
    until(
        lambda: any(
            one["kind"] == "sign-in" and one["facts"]["how"] == "passkey"
            for one in stranger.evaluate("async () => (await fetch('/api/ledger')).json()")["entries"]
        ),
        "the ledger says so",
    )
    assert told["size"] > 0


def test_a_passkey_of_another_browser_is_refused(stranger: Page) -> None:
    devtools = stranger.context.new_cdp_session(stranger)
    devtools.send("WebAuthn.enable")
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    stranger.wait_for_selector("#sign-in[open]")
    offer = post(stranger, "/api/passkey/offer", {})
    told = post(
        stranger, "/api/passkey", {"challenge": offer["challenge"], "answer": {"id": "x", "type": "public-key"}}
    )
    assert told["status"] == 401
    again = post(stranger, "/api/passkey", {"challenge": offer["challenge"], "answer": {"id": "x"}})
    assert again["status"] == 401


def test_who_is_invited_comes_in_with_a_password_and_an_authenticator_of_their_own(
    stranger: Page, browser: Browser, demo: Demo
) -> None:
    sign_in(stranger, demo, "zarina")
    invited = post(stranger, "/api/people", {"login": "newcomer", "name": "New Comer"})
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(PATIENCE_S * 1000)
    page.goto(f"{demo.address}#invitation={invited['invitation']}")
    page.wait_for_selector("#open-invitation")
    other = browser.new_context()
    teller = other.new_page()
    teller.set_default_timeout(PATIENCE_S * 1000)
    teller.goto(demo.address)
    sign_in(teller, demo, "rustam")
    told = post(teller, f"/api/people/{invited['person']}/invitation-code", {})
    page.fill("#told-code", told["code"])
    page.get_by_role("button", name="Open the invitation").click()
    until(lambda: page.inner_text("#welcome-secret"), "the authenticator's secret")
    assert page.inner_text("#welcome-name") == "New Comer, you sign in as newcomer."
    assert page.evaluate("document.querySelector('#welcome-picture').naturalWidth") > 0
    secret = base64.b32decode(re.sub(r"\s", "", page.inner_text("#welcome-secret")))
    page.fill("#new-code", Codes(secret).code(page.evaluate("Date.now()") * 1_000_000))
    page.fill("#new-password", PASSWORD)
    page.fill("#again-password", PASSWORD)
    page.get_by_role("button", name="Come in").click()
    page.wait_for_selector("#recovery-codes li")
    assert page.locator("#recovery-codes li").count() == 8
    page.click("#recovery-done")
    assert who(page) == "New Comer (no role yet)"
    assert "invitation" not in page.url
    other.close()
    context.close()
