"""Where a camera's name leads, and where no camera can be: this machine is not sent to ask strangers for somebody."""

import asyncio
import ipaddress
import socket
from typing import Final

from civicam.core.errors import ConnectError

_FIX: Final = "give the camera's own address"


async def addresses_of(host: str, port: int) -> list[str]:
    """The addresses that `host` stands for, in the order in which they should be tried.

    What is connected to is an address that was looked at here, and not the name again: a name that answers otherwise
    the second time (DNS rebinding) leads nowhere else.

    Raises:
        ConnectError: one of them is of a kind that no camera has: link-local (where clouds tell their secrets),
            multicast, broadcast, unspecified or reserved. This machine itself may be one: the simulator is there.
        OSError, UnicodeError: the name leads nowhere.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(place[0]) for *_, place in found))
    for address in addresses:
        refusal = _refusal(address)
        if refusal is not None:
            raise ConnectError(f"no camera is at {address}: {refusal}", fix=_FIX)
    return addresses


def _refusal(text: str) -> str | None:
    address: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address.sixtofour or address
    if address.is_loopback:
        return None
    kinds = {
        "it is link-local": address.is_link_local,
        "it is multicast": address.is_multicast,
        "it is no address": address.is_unspecified,
        "it is reserved": address.is_reserved,
    }
    return next((words for words, is_so in kinds.items() if is_so), None)
