"""Looks up where a web hook leads, once for each connection, and refuses what it may not lead to.

The address that was looked at is the one that is connected to. A name that leads elsewhere a moment later (DNS
rebinding) gains nothing by it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from typing import TYPE_CHECKING

from aggregator.alerts.sink import NotDelivered

if TYPE_CHECKING:
    Address = ipaddress.IPv4Address | ipaddress.IPv6Address

TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")
"""IPv6 addresses behind which a translator reaches the IPv4 address in their last 32 bits."""


async def look_up(host: str, port: int, *, private_addresses: bool, literal_is_meant: bool = True) -> list[str]:
    """Return the addresses of a host that may be connected to, in the order to try; raises NotDelivered if none may.

    Args:
        host: a name, or an address written as a number.
        port: to connect to.
        private_addresses: whether names may lead to private, link-local and loopback addresses.
        literal_is_meant: whether an address written as a number is taken as meant, whatever it is.
    """
    literal = _literal(host)
    if literal is not None and (literal_is_meant or private_addresses or is_public(literal)):
        return [str(literal)]
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise NotDelivered(f"the name of the host is not found: {error.strerror}") from None
    except UnicodeError:
        raise NotDelivered("the name of the host is none: a part of it is empty or too long") from None
    addresses = list(dict.fromkeys(str(each[4][0]).partition("%")[0] for each in found))
    allowed = [each for each in addresses if private_addresses or is_public(ipaddress.ip_address(each))]
    if not allowed:
        raise NotDelivered(
            f"{host} leads to {', '.join(addresses)}, which is no public address; "
            "if that is meant, set `webhook: {private_addresses: true}`"
        )
    return allowed


def is_public(address: Address) -> bool:
    """Whether an address lies in the public internet: not private, link-local, loopback, multicast or reserved.

    >>> [is_public(ipaddress.ip_address(text)) for text in ("93.184.216.34", "10.1.2.3", "169.254.169.254", "::1")]
    [True, False, False, False]
    >>> [is_public(ipaddress.ip_address(text)) for text in ("::ffff:10.0.0.1", "64:ff9b::a00:1")]
    [False, False]
    """
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in TRANSLATED:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
