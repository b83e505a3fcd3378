"""Other hosts than the EHR's: which of them are asked for attachments, and at which addresses.

An EHR may keep recordings in a file store of another name and hand out presigned addresses.
Whoever can write a DocumentReference chooses that address, so it is held against a list of
hosts, and what the name resolves to against the networks that are not for everyone. The
connection then goes to the very address that was checked: a name that resolves to another one a
moment later (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TypeAlias

import httpx

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

# RFC 6052 and RFC 8215: IPv6 addresses that carry an IPv4 one in their last 32 bits.
_NAT64 = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))

_PORTS = {"https": 443, "http": 80}


class NotAllowed(ValueError):
    """An address to which somnoaudit does not go; the text says why, and names the host."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A foreign address that may be asked, at the network address that was checked.

    Attributes:
        url: with the network address in place of the name.
        host: the Host header: the name, and the port where it is not the usual one.
        name: that the server's certificate must be for.
    """

    url: httpx.URL
    host: str
    name: str


@dataclass(frozen=True, slots=True)
class ForeignHosts:
    """The hosts that may be asked beside the EHR's own.

    Attributes:
        names: as "files.example.org", or "*.example.org" for every name beneath that.
        private_networks: networks whose addresses are allowed though they are private, loopback,
            link-local or otherwise not for everyone; in them http is allowed too.
    """

    names: frozenset[str] = frozenset()
    private_networks: tuple[Network, ...] = ()

    def check(self, url: httpx.URL) -> None:
        """Checks what an address says of itself, without asking anyone.

        Raises:
            NotAllowed: it is not of a listed host, not http(s), or brings a password along.
        """
        host = _name(url)
        if url.scheme not in _PORTS:
            raise NotAllowed("gave an address of another server that is not https")
        if url.userinfo:
            raise NotAllowed("gave an address of another server that holds a password")
        if not self._lists(host):
            raise NotAllowed(f"gave an address of another server, {host}, which is not allowed")

    def resolve(self, url: httpx.URL) -> list[Checked]:
        """Where a foreign address may be asked: one of these, in this order.

        Raises:
            NotAllowed: as in :meth:`check`; or its host has an address in a network that is not
                allowed, or asks for http outside of the private networks.
            OSError: the name cannot be resolved.
        """
        self.check(url)
        host, port = _name(url), url.port or _PORTS[url.scheme]
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        literals = list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
        for address in map(ip_address, literals):
            private = any(address in network for network in self.private_networks)
            if not private and not _is_for_everyone(address):
                raise NotAllowed(f"gave an address of {host}, which is in a private network")
            if not private and url.scheme != "https":
                raise NotAllowed(f"gave an address of {host} that is not https")
        name_and_port = url.netloc.decode("ascii")
        return [Checked(url.copy_with(host=each), name_and_port, host) for each in literals]

    def _lists(self, host: str) -> bool:
        return host in self.names or any(
            name.startswith("*.") and host.endswith(name[1:]) for name in self.names
        )


NO_HOSTS = ForeignHosts()
"""Attachments come from the EHR itself, and from nowhere else."""


def _name(url: httpx.URL) -> str:
    return url.host.lower().rstrip(".")


def _is_for_everyone(address: Address) -> bool:
    """Whether an address is the open internet's, in whatever other address it may be wrapped."""
    embedded = list(_embedded(address))
    if embedded:
        return all(map(_is_for_everyone, embedded))
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _embedded(address: Address) -> Iterator[IPv4Address]:
    if isinstance(address, IPv4Address):
        return
    if address.ipv4_mapped:
        yield address.ipv4_mapped
    if address.sixtofour:
        yield address.sixtofour
    if address.teredo:
        yield from address.teredo
    if any(address in network for network in _NAT64):
        yield IPv4Address(int(address) & 0xFFFFFFFF)
