"""Tells by a signed HTTP request: a CloudEvent in the body, Standard Webhooks' headers around it."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import httpx

from aggregator.alerts.addresses import look_up
from aggregator.alerts.signature import signed_headers
from aggregator.alerts.sink import NotDelivered, Refused
from maskwatch import __version__
from maskwatch.cloudevents import CONTENT_TYPE
from maskwatch.duration import seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aggregator.alerts.sink import CameraStanding, Notice
    from maskwatch.clock import Clock
    from maskwatch.settings_subscriptions import SubscriptionSettings

HOPELESS = frozenset({400, 405, 406, 410, 411, 413, 414, 415, 417, 422, 431, 451, 501, 505})
"""Answers of a receiver that has understood and will not take this message, ever. Others, such as 401, 403 and 404, may
be mended by somebody within the hours for which it is tried."""

REDIRECTS = frozenset({301, 302, 303, 307, 308})


class WebhookSink:
    """Posts to one address."""

    shows_cameras = False

    def __init__(self, subscription: SubscriptionSettings, clock: Clock) -> None:
        """Prepare; connects when something is to be sent. Raises OSError if the authority's file cannot be read."""
        self._policy = subscription.webhook
        self._url = understand(subscription.to)
        self._timeout_s = seconds(subscription.timeout)
        self._secret = subscription.secret.get_secret_value() if subscription.secret is not None else ""
        self._clock = clock
        context = httpx.create_ssl_context(trust_env=False)
        if self._policy.ca_file:
            context.load_verify_locations(self._policy.ca_file)
        self._client = httpx.AsyncClient(
            verify=context,
            timeout=self._timeout_s,
            follow_redirects=False,
            trust_env=False,  # a proxy would look the name up again
            limits=httpx.Limits(max_connections=2, keepalive_expiry=30.0),
        )

    async def send(self, notice: Notice) -> None:
        """Post a notice, and follow as many redirects as the policy allows."""
        headers = {
            "content-type": CONTENT_TYPE,
            "user-agent": f"maskwatch/{__version__}",
            **signed_headers(self._secret, notice.key, self._clock.time(), notice.body),
        }
        url = self._url
        for redirects in range(self._policy.redirects + 1):
            response = await self._post(url, headers, notice.body, is_first=redirects == 0)
            if response.status_code not in REDIRECTS:
                break
            url = self._follow(url, response)
        self._judge(response)

    async def show(self, standings: Sequence[CameraStanding]) -> None:
        """Show nothing: there is no room for it."""

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def _post(self, url: httpx.URL, headers: dict[str, str], body: bytes, *, is_first: bool) -> httpx.Response:
        """Post to the addresses of a host in turn until one answers; no more of the answer is read than its head.

        The whole attempt has the subscription's time-out: an address that swallows what is sent to it may use up its
        share, and leaves enough to those after it.
        """
        port = url.port or (443 if url.scheme == "https" else 80)
        addresses = await look_up(
            url.host, port, private_addresses=self._policy.private_addresses, literal_is_meant=is_first
        )
        share_s = self._timeout_s / (len(addresses) + 1)
        for address in addresses:
            connect_s = self._timeout_s if address == addresses[-1] else share_s
            request = self._client.build_request(
                "POST",
                url.copy_with(host=address),
                content=body,
                headers=headers | {"host": url.netloc.decode("ascii")},
                timeout=httpx.Timeout(self._timeout_s, connect=connect_s),
                extensions={"sni_hostname": url.host},  # the certificate is checked against the name
            )
            try:
                response = await self._client.send(request, stream=True)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                if address == addresses[-1]:
                    raise NotDelivered(f"cannot be reached: {_cause(error)}") from None
            except httpx.TimeoutException:
                raise NotDelivered("connected, but did not answer in time") from None
            except httpx.HTTPError as error:
                raise NotDelivered(f"no whole answer: {_cause(error)}") from None
            except UnicodeError:  # the library reads where it would lead to, though it is not to follow
                raise NotDelivered("redirects to what is no address") from None
            else:
                await response.aclose()
                return response
        raise NotDelivered("has no address")

    def _follow(self, url: httpx.URL, response: httpx.Response) -> httpx.URL:
        try:
            target = understand(url.join(response.headers.get("location", "")))
        except (httpx.InvalidURL, ValueError):
            raise NotDelivered("redirects to what is no address") from None
        if target.scheme not in {"http", "https"} or (url.scheme == "https" and target.scheme != "https"):
            raise NotDelivered(f"redirects to {target.scheme}://, which is not followed")
        return target

    def _judge(self, response: httpx.Response) -> None:
        status = response.status_code
        if 200 <= status < 300:
            return
        if status in HOPELESS:
            raise Refused(f"answered {status} {response.reason_phrase}")
        if status in REDIRECTS:
            raise NotDelivered(
                f"answered {status}: it redirects, and `webhook.redirects` is {self._policy.redirects}. "
                "Write the new address, or allow redirects"
            )
        wait_s = _retry_after(response.headers.get("retry-after", ""), self._clock.time())
        raise NotDelivered(f"answered {status} {response.reason_phrase}", wait_s=wait_s)


def understand(address: str | httpx.URL) -> httpx.URL:
    """Return an address as it is sent to; raises ValueError if nothing can be."""
    try:
        url = httpx.URL(address)
        url.host  # noqa: B018  decoded only when asked for
    except (httpx.InvalidURL, UnicodeError):
        raise ValueError("the address has a host that cannot be") from None
    return url


def _cause(error: httpx.HTTPError) -> str:
    """Say what went wrong below, in the words of the library, which hold no address."""
    return str(error) or type(error).__name__


def _retry_after(text: str, now: float) -> float | None:
    """Read a pause in seconds from a Retry-After header: a number, or a date."""
    if text.strip().isdecimal():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
        return max(0.0, (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - now)
    except (TypeError, ValueError, OverflowError):
        return None
