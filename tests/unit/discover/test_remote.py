"""Which URLs may be fetched. Nothing here opens a connection."""

import ipaddress
import socket
from typing import Any

import pytest

from config.errors import RemoteUnavailableError, UrlForbiddenError
from tasks.discover.remote import check_url, is_global, parse_url

PUBLIC = "93.184.216.34"

FORBIDDEN = [
    "ext::sh -c 'touch /tmp/pwned'",
    "ext::git-upload-pack",
    "file:///etc/passwd",
    "git://127.0.0.1:6379/%0d%0aFLUSHALL%0d%0a",
    "git://example.org/repository",
    "http://example.org/repository",
    "ftp://example.org/repository",
    "ssh://-oProxyCommand=touch%20pwned/repository",
    "ssh://git@example.org/repository",
    "--upload-pack=touch /tmp/pwned",
    "https://user:secret@example.org/repository",
    "https://user@example.org/repository",
    "https://@example.org/repository",
    "https://example.org@127.0.0.1/repository",
    "https://example.org:22/repository",
    "https://example.org:0/repository",
    "https://example.org:99999/repository",
    "https://example.org:/repository",
    "https://example.org:x/repository",
    "https:///repository",
    "https://example.org",
    "https://example.org/",
    "https://example.org//",
    "https://example.org/%2f",
    "https://example.org/a b",
    "https://example.org/a\tb",
    "https://example.org/a\nb",
    "https://example.org/a\\b",
    "https://example.org\\@127.0.0.1/a",
    "https://example.org/a%0d%0ab",
    "https://example.org/a%00b",
    "https://example.org/a\x00b",
    "https://example.org/a\u0085b",
    "https://example.org/a\u2028b",
    "https://example.org/a?b=c",
    "https://example.org/a?",
    "https://example.org/a#b",
    "https://example.org/" + "a" * 2_048,
    "https://" + "a" * 10_000 + "/b",
    "https://" + "a" * 64 + ".org/b",
    "https://-example.org/a",
    "https://exa%6dple.org/a",
    "https://exam$ple.org/a",
    "https://..example.org/a",
    "https://[::1/a",
    "https://[::1%25eth0]/a",
    "https://[fe80::1%eth0]/a",
    "https://[not-an-address]/a",
    # addresses in disguise
    "https://2130706433/a",
    "https://0x7f000001/a",
    "https://0x7f.1/a",
    "https://0177.0.0.1/a",
    "https://127.1/a",
    "https://127.0.0.1./a",
    "https://127.0.0.01/a",
    "https://example.0x10/a",
    # addresses that are not public
    "https://127.0.0.1/a",
    "https://0.0.0.0/a",
    "https://10.1.2.3/a",
    "https://172.16.0.1/a",
    "https://192.168.1.1/a",
    "https://100.64.0.1/a",
    "https://169.254.169.254/latest/meta-data",
    "https://224.0.0.1/a",
    "https://255.255.255.255/a",
    "https://[::1]/a",
    "https://[::]/a",
    "https://[::ffff:7f00:1]/a",
    "https://[::ffff:127.0.0.1]/a",
    "https://[64:ff9b::7f00:1]/a",
    "https://[2002:7f00:1::]/a",
    "https://[fd00::1]/a",
    "https://[fe80::1]/a",
]

NOT_GLOBAL = [
    *("127.0.0.1", "10.0.0.1", "100.64.0.1", "169.254.169.254", "192.0.2.1", "198.18.0.1"),
    *("0.0.0.0", "224.0.0.1", "240.0.0.1", "::", "::1", "::127.0.0.1", "::ffff:10.0.0.1"),  # noqa: S104 - no bind
    *("64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:c0a8:101::", "2001:0:5ef5:79fd:0:59d:f5ff:fffe"),
    *("2001:db8::1", "fc00::1", "fe80::1", "fec0::1", "ff02::1", "100::1"),
]

GLOBAL = [
    *("8.8.8.8", PUBLIC, "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"),
    "2002:808:808::",
]


class Names:
    """A name server with fixed answers, which counts the questions."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked: list[str] = []

    def __call__(self, host: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        """As `socket.getaddrinfo`."""
        self.asked.append(host)
        return [(0, socket.SOCK_STREAM, 6, "", (address, port)) for address in self.addresses]


@pytest.mark.parametrize("url", FORBIDDEN)
def test_a_dangerous_url_is_refused(url: str) -> None:
    """Whatever its host resolves to."""
    with pytest.raises(UrlForbiddenError):
        check_url(url, Names(PUBLIC))


@pytest.mark.parametrize("url", FORBIDDEN)
def test_a_refusal_is_one_line_without_the_url(url: str) -> None:
    """A refused URL may hold a password."""
    with pytest.raises(UrlForbiddenError) as caught:
        check_url(url, Names(PUBLIC))

    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("address", NOT_GLOBAL)
def test_a_name_that_leads_inside_is_refused(address: str) -> None:
    """The name is public, its address is not."""
    with pytest.raises(UrlForbiddenError, match="rebinding"):
        check_url("https://rebinding.example/a", Names(address))


def test_one_private_address_among_public_ones_is_enough() -> None:
    """Git would choose among them."""
    with pytest.raises(UrlForbiddenError):
        check_url("https://example.org/a", Names(PUBLIC, "127.0.0.1"))


@pytest.mark.parametrize("address", NOT_GLOBAL)
def test_private_reserved_and_wrapped_addresses_are_not_global(address: str) -> None:
    """Also inside NAT64, 6to4, Teredo and v4-mapped forms."""
    assert not is_global(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", GLOBAL)
def test_public_addresses_are_global(address: str) -> None:
    """Also in transition formats, which IPv6-only networks depend on."""
    assert is_global(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("https://example.org/owner/name.git", "https://example.org/owner/name.git"),
        ("HTTPS://Example.ORG/Owner/Name", "https://example.org/Owner/Name"),
        ("https://example.org:443/a", "https://example.org/a"),
        ("https://example.org./a", "https://example.org/a"),
        ("https://bücher.example/a", "https://xn--bcher-kva.example/a"),
        ("https://example.org/ü", "https://example.org/%C3%BC"),
        ("https://example.org/~me/a%20b", "https://example.org/~me/a%20b"),
        ("https://git_lab.example.org/a", "https://git_lab.example.org/a"),
        ("https://8.8.8.8/a", "https://8.8.8.8/a"),
        ("https://[2606:4700:0:0::1111]/a", "https://[2606:4700::1111]/a"),
    ],
)
def test_a_good_url_has_one_spelling(url: str, canonical: str) -> None:
    """So that one repository is not indexed under two names."""
    assert canonical == parse_url(url)


def test_a_name_is_resolved_once_and_pinned() -> None:
    """A second answer, which could be another, is never asked for."""
    names = Names(PUBLIC, "2606:4700::1111", PUBLIC)

    pinned = check_url("https://example.org/a", names)

    assert ["example.org"] == names.asked
    assert (PUBLIC, "2606:4700::1111") == pinned.addresses
    assert f"example.org:443:{PUBLIC},[2606:4700::1111]" == pinned.pin


@pytest.mark.parametrize("host", ["8.8.8.8", "[2606:4700::1111]"])
def test_an_address_needs_no_pin(host: str) -> None:
    """Nor a name server."""
    names = Names()

    pinned = check_url(f"https://{host}/a", names)

    assert pinned.pin is None
    assert [] == names.asked


def test_a_name_that_does_not_resolve_may_be_tried_again() -> None:
    """The name server may be down."""

    def resolve(*_: Any, **__: Any) -> list[tuple[Any, ...]]:
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    with pytest.raises(RemoteUnavailableError, match=r"example\.org"):
        check_url("https://example.org/a", resolve)


def test_a_name_without_addresses_may_be_tried_again() -> None:
    """An empty answer is no permission."""
    with pytest.raises(RemoteUnavailableError):
        check_url("https://example.org/a", Names())


def test_an_address_with_a_zone_is_refused() -> None:
    """As a resolver gives for link-local addresses."""
    with pytest.raises(UrlForbiddenError):
        check_url("https://example.org/a", Names("fe80::1%eth0"))
