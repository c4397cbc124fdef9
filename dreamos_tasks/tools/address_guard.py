"""AddressGuard: to which addresses a call over the network may go, judged on the very addresses that are connected to.

A name is looked up once. Who calls connects to the addresses given here and to no others, and asks again for each redirect:
a name that changes its answer meanwhile (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import psutil

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]

_METADATA = frozenset(  # where clouds give a machine its credentials, as far as that is not a link-local address
    map(
        ip_address,
        (
            "100.100.100.200",  # Alibaba Cloud
            "168.63.129.16",  # Azure
            "192.0.0.192",  # Oracle Cloud
            "fd00:ec2::254",  # AWS
            "fd20:ce::254",  # Google Cloud
            "fd00:42::42",  # Scaleway
        ),
    )
)
_THIS_NETWORK = IPv4Network("0.0.0.0/8")
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")  # RFC 8215: where it leads, a network decides for itself
_ENDS_IN_IPV4 = (IPv6Network("64:ff9b::/96"), _LOCAL_NAT64, IPv6Network("::/96"))  # NAT64, compatible


class CallRefused(Exception):
    """A call that may not be made: whom it would reach, why not, and what to do."""

    def __init__(self, target: str, why: str, *, fix: str = "") -> None:
        super().__init__(f"{target} may not be called: {why}")
        self.fix = fix


@dataclass(frozen=True, slots=True)
class Checked:
    """An address that may be connected to. A public one means the same to everybody on the internet."""

    text: str
    is_public: bool


async def system_addresses(host: str, port: int) -> Sequence[str]:
    """What the system's resolver answers, in its order. Raises OSError (socket.gaierror) when it knows none."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))


class AddressGuard:
    """Refuses link-local and metadata addresses, the unspecified, multicast and reserved ones, and the daemon's own.

    `allow_private`: this machine and private networks may be called. `daemon_address` is the `host:port` the daemon itself
    listens on: that port is refused at every address of this machine. `resolve` stands for the system's resolver.
    """

    def __init__(
        self, *, allow_private: bool = True, daemon_address: str = "", resolve: Resolve = system_addresses
    ) -> None:
        self._allow_private = allow_private
        self._resolve = resolve
        host, _, port = daemon_address.rpartition(":")
        self._daemon_host = literal_address(host.strip("[]"))
        self._daemon_port = int(port) if port else None

    async def addresses_of(self, host: str, port: int, *, from_public: bool = False) -> Sequence[Checked]:
        """Where a call to `host` may connect, in the resolver's order; never empty.

        `from_public`: a server at a public address redirects there. Raises CallRefused; OSError for an unknown name.
        """
        literal = literal_address(host)
        addresses = [literal] if literal else [ip_address(text) for text in await self._resolve(host, port)]
        refused = CallRefused(host, "its name has no address")
        allowed = []
        for address in addresses:
            try:
                self.check(address, port, from_public=from_public)
            except CallRefused as error:
                refused = error
            else:
                allowed.append(Checked(str(address), _is_public(address)))
        if not allowed:
            raise refused
        return allowed

    def check(self, address: Address, port: int, *, from_public: bool = False) -> None:
        """Raise CallRefused when this address may not be called. The name it was found by plays no part."""
        for meant in _meant_by(address):
            why = _why_never(meant)
            if why:
                raise CallRefused(str(address), why)
        if port == self._daemon_port and self._is_this_machine(address):
            raise CallRefused(
                f"{address} port {port}", "there this program itself listens", fix="use a step of another tool, or dt"
            )
        if _is_public(address):
            return
        if from_public:
            fix = "call that address itself when it is meant"
            raise CallRefused(str(address), "a public server redirects to this private address", fix=fix)
        if not self._allow_private:
            fix = "set allow_private: true in the options of this tool in config.yaml"
            raise CallRefused(str(address), "it is a private address, and those are not allowed here", fix=fix)

    def _is_this_machine(self, address: Address) -> bool:
        for meant in _meant_by(address):
            if meant.is_loopback or meant == self._daemon_host or str(meant) in _own_addresses():
                return True
        return False


def literal_address(host: str) -> Address | None:
    """The address that a host is written as, in any spelling that programs take: `127.1`, `0x7f.1` and `2130706433` too."""
    try:
        return ip_address(host)
    except ValueError:
        pass
    try:
        return IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeEncodeError):
        return None


def _meant_by(address: Address) -> Iterator[Address]:
    """The address, and the IPv4 addresses it may be translated to on its way."""
    if isinstance(address, IPv4Address):
        yield address
    elif address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    else:
        yield address
        if address.sixtofour is not None:
            yield address.sixtofour
        if address.teredo is not None:
            yield address.teredo[1]
        if int(address) > 1 and any(address in network for network in _ENDS_IN_IPV4):
            yield IPv4Address(int(address) & 0xFFFF_FFFF)


def _why_never(address: Address) -> str:
    if address.is_unspecified or (isinstance(address, IPv4Address) and address in _THIS_NETWORK):
        return "it is the unspecified address"
    if address.is_link_local:
        return "it is a link-local address, where clouds give out a machine's credentials"
    if address in _METADATA:
        return "there a cloud gives out this machine's credentials"
    if address.is_multicast:
        return "it is a multicast address"
    if isinstance(address, IPv4Address) and address.is_reserved:
        return "it is a reserved address"
    return ""


def _is_public(address: Address) -> bool:
    for meant in _meant_by(address):
        if not meant.is_global or (isinstance(meant, IPv6Address) and (meant.is_site_local or meant in _LOCAL_NAT64)):
            return False
    return True


def _own_addresses() -> set[str]:
    interfaces = psutil.net_if_addrs().values()
    return {entry.address.partition("%")[0] for entries in interfaces for entry in entries}
