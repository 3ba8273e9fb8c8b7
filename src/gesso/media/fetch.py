"""Where media may come from, and reading them from the network and from `data:` URLs within those limits."""

import re
import socket
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from time import monotonic
from typing import Final
from urllib.parse import unquote_to_bytes

import httpx2

from gesso.core.errors import MediaError, UsageError

__all__ = ["DEFAULT_POLICY", "FetchPolicy", "fetch", "read_data_url", "shorten"]

# RFC 6052: behind such an address a translator connects to the IPv4 address in its last 32 bits
_NAT64: Final = IPv6Network("64:ff9b::/96")
# RFC 2397: a type, then parameters such as ;charset=utf-8, matched lazily lest the last one swallow ;base64
_DATA_URL: Final = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[^;,]*)*?)(;base64)?,", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchPolicy:
    """What may be read. The default reads local files and `data:` URLs, and nothing from the network.

    Attributes:
        allow_paths: whether a string or path may name a file of this machine; a server says no.
        allow_http: whether http and https URLs are fetched.
        allowed_hosts: the only host names that are fetched from; None allows all.
        allow_private: whether addresses of this machine and of private networks are fetched from.
        max_bytes: largest download or `data:` URL content.
        timeout_s: time for a whole download, redirects included, in seconds.
        max_redirects: how many times a server may send us elsewhere.
    """

    allow_paths: bool = True
    allow_http: bool = False
    allowed_hosts: frozenset[str] | None = None
    allow_private: bool = False
    # 32 MiB: room for photographs of phones and most cameras, several of which a server may hold at a time
    max_bytes: int = 32 * 2**20
    timeout_s: float = 10.0
    max_redirects: int = 3

    def __post_init__(self) -> None:
        """Refuse limits that no download could meet."""
        if self.max_bytes < 1 or self.timeout_s <= 0 or self.max_redirects < 0:
            raise UsageError(f"fetch limits max_bytes {self.max_bytes}, timeout_s {self.timeout_s} and "
                             f"max_redirects {self.max_redirects}; "
                             "they must be at least 1, above 0 and at least 0")  # fmt: skip


DEFAULT_POLICY: Final = FetchPolicy()
"""Local files and `data:` URLs only."""


def fetch(url: str, policy: FetchPolicy) -> bytes:
    """Download what an http(s) URL names.

    Each hop's host is resolved once, its addresses are checked, and the connection goes to the checked
    address, so a name cannot change its meaning in between.

    Raises:
        MediaError: the policy forbids it, a limit is passed, or the server fails.
    """
    if not policy.allow_http:
        raise MediaError(f"{shorten(url)} is on the network, which the policy forbids; "
                         "send the content as a data: URL, or set allow_http")  # fmt: skip
    deadline = monotonic() + policy.timeout_s
    # a proxy of the environment (trust_env) would look the name up by itself, past our check of its address;
    # redirects are followed here, since every hop must pass the policy
    with _network_errors(url, policy), httpx2.Client(trust_env=False, follow_redirects=False) as client:
        target = httpx2.URL(url)
        for _ in range(policy.max_redirects + 1):
            answer = _get(client, target, policy, deadline)
            if isinstance(answer, bytes):
                return answer
            target = answer
    raise MediaError(
        f"{shorten(url)} redirects more than {policy.max_redirects} times; give the final address"
    )


def read_data_url(url: str, kind: str, policy: FetchPolicy) -> bytes:
    """The content of a `data:` URL (RFC 2397).

    Args:
        url: the URL.
        kind: the first half of the media type that is wanted, such as "image".
        policy: its limit on bytes applies.

    Raises:
        MediaError: it is malformed, too large, or of another kind.
    """
    # the head alone: what follows the comma may be megabytes
    head = _DATA_URL.match(url[:256])
    if head is None:
        raise MediaError(f"{shorten(url)} is no valid data: URL; write data:{kind}/...;base64,...")
    media_type = (head[1] or "").lower()
    # application/octet-stream is what a sender writes who does not know; no type at all means text/plain to
    # the RFC, but pictures are sent so, and their reader finds out what they are
    if media_type and media_type.split("/")[0] not in (kind, "application"):
        raise MediaError(f"{shorten(url)} holds {media_type}; {kind} content is needed here")
    # base64 written in escapes takes four characters a byte, and nothing takes more: what is longer still
    # cannot fit and is not decoded
    if len(url) - head.end() > 4 * policy.max_bytes + len("%3D" * 4):
        raise _too_large(url, policy)
    try:
        # escapes may stand in base64 as well: browsers and forms write its + and = as %2B and %3D
        content = unquote_to_bytes(url[head.end() :])
        if head[3]:
            content = b64decode(content, validate=True)
    except ValueError as error:  # among them binascii's, and letters that UTF-8 cannot write
        raise MediaError(f"{shorten(url)} is damaged: {error}; encode the file again") from error
    if len(content) > policy.max_bytes:
        raise _too_large(url, policy)
    return content


def shorten(url: str, length: int = 80) -> str:
    """A URL as it stands in a message."""
    return url if len(url) <= length else f"{url[:length]}..."


def _too_large(url: str, policy: FetchPolicy) -> MediaError:
    return MediaError(f"{shorten(url)} holds more than the {policy.max_bytes} bytes the policy allows; "
                      "send a smaller file or raise max_bytes")  # fmt: skip


def _too_slow(url: str, policy: FetchPolicy) -> MediaError:
    return MediaError(f"{shorten(url)} takes longer than the {policy.timeout_s:g} s the policy allows; "
                      "try again, or raise timeout_s")  # fmt: skip


def _get(client: httpx2.Client, url: httpx2.URL, policy: FetchPolicy, deadline: float) -> bytes | httpx2.URL:
    """The content, or the URL that the server sends us to."""
    # the address in place of the name; certificates are checked against the name, which TLS gets as SNI
    pinned = url.copy_with(host=_checked_address(url, policy))
    # identity: a compressed answer could unfold far beyond the limit
    headers = {"Host": url.netloc.decode("ascii"), "Accept-Encoding": "identity"}
    # httpx counts this anew for each wait on the socket. `_read` watches the sum for the content; a head that
    # comes letter by letter is not caught
    left = max(deadline - monotonic(), 0.001)
    with client.stream("GET", pinned, headers=headers, timeout=left,
                       extensions={"sni_hostname": url.host}) as response:  # fmt: skip
        if response.has_redirect_location:
            return url.join(response.headers["location"])
        if not response.is_success:
            raise MediaError(f"{shorten(str(url))} answers {response.status_code} {response.reason_phrase}; "
                             "check the address")  # fmt: skip
        return _read(response, str(url), policy, deadline)


def _read(response: httpx2.Response, url: str, policy: FetchPolicy, deadline: float) -> bytes:
    content = bytearray()
    # raw: a server that compresses against our wish sends no more than the limit either way
    for chunk in response.iter_raw():
        content += chunk
        if len(content) > policy.max_bytes:
            raise _too_large(url, policy)
        if monotonic() > deadline:
            raise _too_slow(url, policy)
    return bytes(content)


def _checked_address(url: httpx2.URL, policy: FetchPolicy) -> str:
    if url.scheme not in ("http", "https") or not url.host:
        raise MediaError(f"{shorten(str(url))} is no http or https URL; only these are fetched")
    if policy.allowed_hosts is not None and url.host not in policy.allowed_hosts:
        raise MediaError(
            f"host {url.host} is not allowed; allowed: {', '.join(sorted(policy.allowed_hosts))}"
        )
    port = url.port or (443 if url.scheme == "https" else 80)
    # the only look-up; without a socket type every address would come three times
    found = socket.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    # "fe80::1%eth0": the zone names an interface of this machine and has no place in a URL
    addresses = [str(entry[4][0]).split("%")[0] for entry in found]
    # all must be public, though the first is taken: a name that also means a private address is a trap
    if not policy.allow_private:
        for address in addresses:
            if not _is_public(ip_address(address)):
                raise MediaError(f"host {url.host} has the private address {address}, which the policy "
                                 "forbids; send the content as a data: URL")  # fmt: skip
    return addresses[0]


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if isinstance(address, IPv6Address):
        embedded = address.ipv4_mapped or address.sixtofour
        # an IPv4 address inside an IPv6 one leads to the same host, so it is the one to judge
        if address in _NAT64:
            embedded = IPv4Address(address.packed[-4:])
        if embedded is not None:
            return _is_public(embedded)
    # is_global is true of most multicast groups, which would make this machine talk to its neighbours
    return address.is_global and not address.is_multicast


@contextmanager
def _network_errors(url: str, policy: FetchPolicy) -> Iterator[None]:
    try:
        yield
    except httpx2.TimeoutException as error:
        raise _too_slow(url, policy) from error
    # OSError: the look-up of the name; UnicodeError: a name that IDNA cannot write
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, UnicodeError) as error:
        cause = str(error) or type(error).__name__
        raise MediaError(f"{shorten(url)} cannot be fetched: {cause}; check the address") from error
