"""The page over HTTPS, and behind a proxy: a real server on a real socket, with a certificate made for the test."""

from __future__ import annotations

import ssl
import subprocess
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import pytest

from dashboard.access.passwords import FAILURES
from maskwatch.errors import ConfigError
from tests.page import GUARDED, PASSWORD, served
from tests.programs import PATIENCE_S, require_program

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

PROXY, ANYBODY = "127.0.0.2", "127.0.0.3"
"""Addresses that clients of these tests come from: all of 127.0.0.0/8 is this machine."""


def certify(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for this machine, and its key."""
    certificate, key = folder / "page.pem", folder / "page.key"
    command = [require_program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    names = ["-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, *names, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


def log_in(connection: HTTPConnection, password: str = PASSWORD, **headers: str) -> HTTPResponse:
    """Send the login and return what came back."""
    form = urlencode({"name": "chief", "password": password})
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(connection):
        connection.request("POST", "/login", form, {"content-type": "application/x-www-form-urlencoded"} | named)
        answer = connection.getresponse()
        answer.read()
    return answer


def through(url: str, source: str) -> HTTPConnection:
    """Return a connection that comes from an address of this machine."""
    parts = urlsplit(url)
    return HTTPConnection(str(parts.hostname), parts.port, timeout=PATIENCE_S, source_address=(source, 0))


def test_a_certificate_makes_it_https_alone(tmp_path: Path) -> None:
    """With a certificate the page speaks HTTPS, which a client can verify; plain HTTP gets nothing."""
    certificate, key = certify(tmp_path)
    with served(tmp_path / "data", GUARDED + f"  tls: {{certificate: '{certificate}', key: '{key}'}}\n") as url:
        assert url.startswith("https://127.0.0.1:")
        port = int(urlsplit(url).port or 0)
        trusting = ssl.create_default_context(cafile=str(certificate))
        answer = log_in(HTTPSConnection("127.0.0.1", port, timeout=PATIENCE_S, context=trusting))
        assert answer.status == 303
        assert "secure" in [part.strip().lower() for part in (answer.getheader("set-cookie") or "").split(";")]
        assert answer.getheader("strict-transport-security")
        with pytest.raises((HTTPException, OSError)):
            log_in(HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S))
        with pytest.raises(ssl.SSLCertVerificationError):
            log_in(HTTPSConnection("127.0.0.1", port, timeout=PATIENCE_S, context=ssl.create_default_context()))


def test_a_key_that_does_not_fit_is_told_at_the_start(tmp_path: Path) -> None:
    """A certificate with another's key, and one that is not there, end the start with the setting's name."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (certificate, _), (_, key) = certify(tmp_path / "a"), certify(tmp_path / "b")
    for number, wrong in enumerate((certificate, tmp_path / "missing.pem")):
        said = f"  tls: {{certificate: '{wrong}', key: '{key}'}}\n"
        with pytest.raises(ConfigError, match=r"dashboard\.tls"), served(tmp_path / f"data{number}", GUARDED + said):
            pass


def is_secure(answer: HTTPResponse) -> bool:
    """Whether the cookie of a login is kept to HTTPS."""
    assert answer.status == 303
    return "secure" in (answer.getheader("set-cookie") or "").lower()


def test_headers_of_a_proxy_are_believed_from_the_named_one_alone(tmp_path: Path) -> None:
    """`X-Forwarded-Proto: https` makes the cookie Secure when the named proxy says so, and nothing when others do."""
    with served(tmp_path, GUARDED + f"  trusted_proxies: [{PROXY}]\n") as url:
        said = {"x_forwarded_proto": "https", "x_forwarded_for": "203.0.113.5"}
        assert is_secure(log_in(through(url, PROXY), **said))
        assert not is_secure(log_in(through(url, ANYBODY), **said))
        assert not is_secure(log_in(through(url, PROXY)))
    with served(tmp_path / "none", GUARDED + "") as url:
        assert not is_secure(log_in(through(url, PROXY), **said))


def test_guessers_are_told_apart_by_the_named_proxy_alone(tmp_path: Path) -> None:
    """Behind the proxy each address waits for its own guesses; nobody else gets around the wait by inventing one."""
    with served(tmp_path, GUARDED + f"  trusted_proxies: [{PROXY}]\n") as url:
        for number in range(FAILURES):  # a client's own header comes first, what the proxy saw comes last
            guessed = {"x_forwarded_for": f"198.51.100.{number}, 203.0.113.5"}
            assert log_in(through(url, PROXY), "guess", **guessed).status == 401
        assert log_in(through(url, PROXY), x_forwarded_for="203.0.113.5").status == 429
        assert log_in(through(url, PROXY), x_forwarded_for="203.0.113.6").status == 303
        for number in range(FAILURES):
            assert log_in(through(url, ANYBODY), "guess", x_forwarded_for=f"198.51.100.{number}").status == 401
        assert log_in(through(url, ANYBODY), x_forwarded_for="203.0.113.7").status == 429
