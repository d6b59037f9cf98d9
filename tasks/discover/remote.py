"""Which URLs may be fetched: https, to addresses of the public Internet, and nowhere else.

Apart from git, so that the rules against server-side request forgery are read and tested in one
place and without a network. The rules follow GitLab's UrlBlocker: a name is resolved once, every
address it has must be global, and git is pinned to those addresses, so that a name which answers
differently the second time (DNS rebinding) gains nothing. Redirects are off in `git.py`.
"""

import ipaddress
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, unquote_to_bytes, urlsplit

from config.errors import RemoteUnavailableError, UrlForbiddenError

MAX_URL_CHARS: Final = 2_048
HTTPS_PORT: Final = 443

Resolver = Callable[..., list[tuple[Any, ...]]]
"""The signature of `socket.getaddrinfo`."""

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_UNSAFE = re.compile(r"[\x00-\x20\x7f-\x9f\\\s]")
_HOST = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_-]{1,63}")
# What inet_aton and browsers read as an address: 2130706433, 0x7f.1, 0177.0.0.1, 127.1
_NUMERIC_HOST = re.compile(r"(?:.*\.)?(?:0x[0-9a-f]*|[0-9]+)")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_V4_COMPATIBLE = ipaddress.IPv6Network("::/96")


@dataclass(frozen=True, slots=True)
class PinnedUrl:
    """A URL that may be fetched, from these addresses only."""

    url: str
    host: str
    port: int
    addresses: tuple[str, ...]

    @property
    def pin(self) -> str | None:
        """The value of git's `http.curloptResolve` (curl's CURLOPT_RESOLVE); None for an address.

        It overrides the name server and its cache.
        """
        if self.addresses == (self.host,):
            return None
        bracketed = [f"[{a}]" if ":" in a else a for a in self.addresses]
        return f"{self.host}:{self.port}:{','.join(bracketed)}"


def check_url(url: str, resolve: Resolver = socket.getaddrinfo) -> PinnedUrl:
    """The URL in canonical form, pinned to its addresses.

    Args:
        url: what somebody typed.
        resolve: asked once for the host, unless that is an address.

    Raises:
        UrlForbiddenError: it is not https, carries credentials or leads to a private address.
        RemoteUnavailableError: its host's name cannot be resolved.
    """
    canonical = parse_url(url)
    host = urlsplit(canonical).hostname or ""
    addresses = _resolved(host, resolve)
    for address in addresses:
        if not is_global(address):
            raise UrlForbiddenError(
                f"{host} leads to {address}, which is not an address of the public Internet:"
                " only public hosts are fetched; clone it yourself and index the folder"
            )
    return PinnedUrl(canonical, host, HTTPS_PORT, tuple(map(str, addresses)))


def parse_url(url: str) -> str:
    """The URL in canonical form: `https://host/path`, host in ASCII and lower case.

    Looks at the text only; `check_url` looks at where it leads.

    Raises:
        UrlForbiddenError: it is not a plain https URL; never quotes it, it may hold a password.
    """
    if len(url) > MAX_URL_CHARS:
        raise UrlForbiddenError(f"the URL is longer than {MAX_URL_CHARS:,} characters")
    if _UNSAFE.search(url):
        raise UrlForbiddenError("the URL holds white space, a backslash or a control character")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as exc:
        raise UrlForbiddenError("the URL is malformed: write https://host/path") from exc
    if parts.scheme != "https":
        raise UrlForbiddenError("only https:// URLs are fetched")
    if "@" in parts.netloc:
        raise UrlForbiddenError("the URL holds credentials: they would be stored with the index")
    if port not in {None, HTTPS_PORT} or parts.netloc.endswith(":"):
        raise UrlForbiddenError(f"only port {HTTPS_PORT} is fetched")
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise UrlForbiddenError("the URL of a repository has no ? and no #")
    return f"https://{_canonical_host(host or '')}{_canonical_path(parts.path)}"


def is_global(address: IpAddress) -> bool:
    """Whether the address is one of the public Internet, also inside a transition format."""
    embedded = _embedded(address)
    if embedded is not None:
        return is_global(embedded)
    site_local = isinstance(address, ipaddress.IPv6Address) and address.is_site_local
    return address.is_global and not (address.is_multicast or address.is_reserved or site_local)


def _embedded(address: IpAddress) -> ipaddress.IPv4Address | None:
    """The IPv4 address that packets to this IPv6 address may end at."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in _NAT64 or address in _V4_COMPATIBLE:
        return ipaddress.IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour


def _canonical_host(host: str) -> str:
    if ":" in host:
        return f"[{_literal(host)}]"
    try:
        ascii_host = host.encode("idna").decode("ascii").lower().removesuffix(".")
    except UnicodeError as exc:
        raise UrlForbiddenError("the URL's host is not a valid name") from exc
    if _NUMERIC_HOST.fullmatch(ascii_host):
        return str(_literal(ascii_host))
    if not _HOST.fullmatch(ascii_host):
        raise UrlForbiddenError("the URL's host is not a valid name")
    return ascii_host


def _literal(host: str) -> IpAddress:
    try:
        # a zone (`fe80::1%eth0`) names one of our own interfaces: encoded, it is no address
        return ipaddress.ip_address(quote(host, safe=":"))
    except ValueError as exc:
        raise UrlForbiddenError(
            "the URL's host looks like an address but is not written as one"
        ) from exc


def _canonical_path(path: str) -> str:
    decoded = unquote_to_bytes(path)
    if any(byte < 0x20 or byte == 0x7F for byte in decoded):  # noqa: PLR2004 - ASCII's control characters
        raise UrlForbiddenError("the URL's path holds an encoded control character")
    if not decoded.strip(b"/"):
        raise UrlForbiddenError("the URL names a host but no repository: write https://host/path")
    return quote(path, safe="/%~!$&'()*+,;=:@-._")


def _resolved(host: str, resolve: Resolver) -> list[IpAddress]:
    if _NUMERIC_HOST.fullmatch(host) or ":" in host:
        return [ipaddress.ip_address(host)]
    try:
        found = resolve(host, HTTPS_PORT, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise RemoteUnavailableError(f"the name {host} cannot be resolved") from exc
    if not found:
        raise RemoteUnavailableError(f"the name {host} has no address")
    return list(dict.fromkeys(ipaddress.ip_address(str(info[4][0])) for info in found))
