"""Who gets in, what they see, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from dashboard.access.gate import COOKIE
from dashboard.access.passwords import FAILURES, WITHIN_S
from maskwatch.settings_file import parse_settings
from tests.page import CAMERAS, GUARDED, PASSWORD, TOKEN, page_in, serving, write_token

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.page import Page


def test_without_users_this_machine_gets_in_and_no_other_name(page: Page) -> None:
    """A page that asks for no login answers to localhost alone, so that no other site's name can point at it."""
    assert page.client().get("/").status_code == 200
    assert page.client("127.0.0.1:8080").get("/api/v1/cameras").status_code == 200
    assert page.client("evil.example").get("/api/v1/cameras").status_code == 421


def test_a_page_in_reach_of_others_does_not_open_when_its_users_go(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The address is the one of the start: without users all is refused until the restart, which is said once."""
    guarded = GUARDED + "  host: 0.0.0.0\n  port: 0\n"
    with page_in(tmp_path, guarded) as page, serving(page, tmp_path) as url:
        page.watch.current = parse_settings(CAMERAS)
        for path in ("", "api/v1/cameras", "login"):
            answer = httpx.get(url + path, headers={"host": "localhost"})
            assert (answer.status_code, "restart the page" in answer.json()["detail"]) == (503, True)
        assert caplog.text.count("all is refused") == 1
        page.watch.current = parse_settings(CAMERAS + guarded)
        assert httpx.get(f"{url}login", headers={"host": "localhost"}).status_code == 200


def test_a_stranger_is_sent_to_the_login(guarded: Page) -> None:
    """A browser goes to the login and back to where it wanted; a program is told that it needs a token."""
    sent = guarded.client().get("/events?kind=no_mask", headers={"accept": "text/html"})
    assert (sent.status_code, sent.headers["location"]) == (303, "/login?to=/events%3Fkind%3Dno_mask")
    assert guarded.client().get("/api/v1/cameras").status_code == 401
    assert guarded.client().get("/login").status_code == 200
    assert guarded.client().get("/static/page.css").status_code == 200


def test_the_right_password_lets_in(guarded: Page) -> None:
    """The cookie that a login gives is out of reach of scripts and of other sites, and opens the page."""
    answer = guarded.client().post("/login", data={"name": "chief", "password": PASSWORD, "to": "/events"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/events")
    assert {"httponly", "samesite=lax"} <= {part.strip().lower() for part in answer.headers["set-cookie"].split(";")}
    assert guarded.log_in("chief").get("/").status_code == 200


@pytest.mark.parametrize(
    ("name", "password"),
    [pytest.param("chief", "wrong", id="wrong password"), pytest.param("nobody", PASSWORD, id="unknown name")],
)
def test_anything_else_does_not(guarded: Page, name: str, password: str) -> None:
    """A wrong password and an unknown name are refused in the same words."""
    answer = guarded.client().post("/login", data={"name": name, "password": password})
    assert answer.status_code == 401
    assert "do not belong together" in answer.text
    assert guarded.log_in(name, password).get("/api/v1/cameras").status_code == 401


def test_guessing_is_slowed_down(guarded: Page) -> None:
    """After five wrong passwords from an address even the right one must wait; five minutes later it counts again."""
    client = guarded.client()
    for _ in range(FAILURES):
        assert client.post("/login", data={"name": "chief", "password": "guess"}).status_code == 401
    refused = client.post("/login", data={"name": "chief", "password": PASSWORD})
    assert refused.status_code == 429
    assert "Wait 300 seconds" in refused.text
    guarded.clock.advance(WITHIN_S)
    assert client.post("/login", data={"name": "chief", "password": PASSWORD}).status_code == 303


def test_a_login_ends(guarded: Page) -> None:
    """Logging out, time, and a changed password each make a cookie worth nothing."""
    client = guarded.log_in("chief")
    assert client.post("/logout", headers=write_token(client)).status_code == 204
    copied = guarded.log_in("chief")
    assert copied.get("/api/v1/cameras").status_code == 200
    guarded.clock.advance(12 * 3600 + 1)
    assert copied.get("/api/v1/cameras").status_code == 401


def test_a_copied_cookie_is_dead_after_the_logout(guarded: Page) -> None:
    """Logging out ends the login itself, not only the browser's memory of it."""
    client = guarded.log_in("chief")
    cookie = client.cookies[COOKIE]
    client.post("/logout", headers=write_token(client))
    assert guarded.client(cookie=f"{COOKIE}={cookie}").get("/api/v1/cameras").status_code == 401


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda cookie: cookie[:-1] + ("1" if cookie[-1] == "0" else "0"), id="another signature"),
        pytest.param(lambda cookie: "9" + cookie, id="a longer life"),
        pytest.param(lambda _: "", id="nothing"),
        pytest.param(lambda _: "....", id="dots"),
        pytest.param(lambda _: "ü.x.y", id="letters"),
    ],
)
def test_a_forged_cookie_is_none(guarded: Page, forge: Callable[[str], str]) -> None:
    """Whatever is changed in a cookie, it is nobody's."""
    cookie = guarded.parts.sessions.begin(guarded.site.settings.dashboard.users[0])
    assert guarded.parts.sessions.read(cookie) is not None
    assert guarded.parts.sessions.read(forge(cookie)) is None


def test_everybody_sees_their_cameras_and_no_others(guarded: Page) -> None:
    """A camera that is not somebody's to see is to them as if it did not exist."""
    chief, guard = guarded.log_in("chief"), guarded.log_in("guard")
    building = guarded.client(authorization=f"Bearer {TOKEN}")
    seen = [[card["id"] for card in client.get("/api/v1/cameras").json()] for client in (chief, guard, building)]
    assert seen == [["door", "gate"], ["gate"], ["door"]]
    assert guard.get("/api/v1/cameras/door").status_code == 404
    assert guard.get("/api/v1/views?camera=door").status_code == 404
    assert '"door"' not in guard.get("/").text
    assert guarded.client(authorization="Bearer wrong").get("/api/v1/cameras").status_code == 401


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="no token"),
        pytest.param({"x-maskwatch-write": "0" * 64}, id="a wrong token"),
        pytest.param({"origin": "http://evil.example"}, id="another site's page"),
        pytest.param({"sec-fetch-site": "cross-site"}, id="another site's form"),
    ],
)
def test_a_write_needs_the_word_of_the_page(page: Page, headers: dict[str, str]) -> None:
    """A change that the page itself did not send is refused, also where nobody has to log in."""
    client = page.client()
    right = write_token(client) if "origin" in headers or "sec-fetch-site" in headers else {}
    assert client.post("/logout", headers=right | headers).status_code == 403
    assert client.post("/logout", headers=write_token(client)).status_code == 204


def test_every_answer_is_fenced_in(page: Page) -> None:
    """Pages load nothing from elsewhere, run no inline script, and may not be framed."""
    headers = page.client().get("/").headers
    assert "default-src 'none'; script-src 'self'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "http://" not in page.client().get("/").text.replace("http://www.w3.org", "")
