"""Which addresses the fetcher may connect to: public ones. Pure; works on addresses, never on names."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_REFUSED_4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this host
            "10.0.0.0/8",  # private use
            "100.64.0.0/10",  # carrier-grade NAT; Alibaba Cloud's metadata service is 100.100.100.200
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # Azure's platform services, inside a public range
            "169.254.0.0/16",  # link-local; metadata service of most clouds, task roles of ECS
            "172.16.0.0/12",  # private use
            "192.0.0.0/24",  # protocol assignments; Oracle Cloud's metadata service is 192.0.0.192
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # 6to4 relays, deprecated
            "192.168.0.0/16",  # private use
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
        ),
    )
)
"""IANA's IPv4 special-purpose registry (RFC 6890 and updates), and what clouds keep at addresses of their own. Spelled
out rather than taken from `ipaddress`, whose idea of *global* differs from one Python to the next."""

_GLOBAL_6 = IPv6Network("2000::/3")
"""The only IPv6 space that is given out for global unicast (RFC 4291 §2.4); everything outside is refused at once."""

_REFUSED_6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments, Teredo among them: it carries an IPv4 address in disguise
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4: likewise
            "3fff::/20",  # documentation
        ),
    )
)

_NAT64 = IPv6Network("64:ff9b::/96")
"""RFC 6052's well-known prefix: the last 32 bits are the IPv4 address that is really reached."""


def is_public(address: str) -> bool:
    """Whether `address`, in the canonical form of a socket's peer, belongs to the public Internet.

    IPv4-mapped and NAT64 addresses are judged by the IPv4 address that they carry. Anything that is no address, or
    has a scope (`fe80::1%eth0`), is not public.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return _is_public_6(parsed) if isinstance(parsed, IPv6Address) else _is_public_4(parsed)


def _is_public_4(address: IPv4Address) -> bool:
    return not any(address in network for network in _REFUSED_4)


def _is_public_6(address: IPv6Address) -> bool:
    if address.scope_id is not None:
        return False
    if address.ipv4_mapped is not None:
        return _is_public_4(address.ipv4_mapped)
    if address in _NAT64:
        return _is_public_4(IPv4Address(int(address) & 0xFFFF_FFFF))
    return address in _GLOBAL_6 and not any(address in network for network in _REFUSED_6)


def network_of(address: str) -> str:
    """What one host may have of addresses: an IPv4 address, in whichever form, or an IPv6 network of 64 bits."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    if parsed in _NAT64:
        return str(IPv4Address(int(parsed) & 0xFFFF_FFFF))
    return str(IPv6Network((int(parsed), 64), strict=False))
