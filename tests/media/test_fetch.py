import socket
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from threading import Thread
from time import monotonic, sleep
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gesso.core.errors import MediaError, UsageError
from gesso.media.fetch import DEFAULT_POLICY, FetchPolicy, _is_public, fetch, read_data_url, shorten

LOCAL = FetchPolicy(allow_http=True, allow_private=True, max_bytes=1000, timeout_s=2, max_redirects=2)
PUBLIC = FetchPolicy(allow_http=True)


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        name, _, number = self.path[1:].partition("/")
        match name:
            case "ok":
                self._send(200, b"content")
            case "encoding":
                self._send(200, self.headers["Accept-Encoding"].encode())
            case "host":
                self._send(200, self.headers["Host"].encode())
            case "hops" if int(number) > 0:
                self._send(302, b"", f"/hops/{int(number) - 1}")
            case "hops":
                self._send(200, b"arrived")
            case "elsewhere":
                self._send(302, b"", "ftp://127.0.0.1/x")
            case "big":
                self._send(200, bytes(int(number)))
            case "slow":
                self._drip()
            case _:
                self._send(404, b"")

    def _send(self, status: int, content: bytes, location: str | None = None) -> None:
        self.send_response(status)
        if location is not None:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(content)

    def _drip(self) -> None:
        self.send_response(200)
        self.end_headers()
        with suppress(ConnectionError):  # the client has given up, as it should
            for _ in range(20):
                self.wfile.write(b".")
                sleep(0.05)

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def _resolver(monkeypatch: pytest.MonkeyPatch, answer: Callable[[str], str]) -> list[str]:
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, *_: object, **__: object) -> list[tuple[object, ...]]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answer(host), port))]

    monkeypatch.setattr("gesso.media.fetch.socket.getaddrinfo", getaddrinfo)
    return asked


def test_the_default_policy_stays_off_the_network() -> None:
    with pytest.raises(MediaError, match=r"policy forbids.*data: URL"):
        fetch("http://example.org/a.png", DEFAULT_POLICY)


def test_content_is_fetched(site: str) -> None:
    assert fetch(f"{site}/ok", LOCAL) == b"content"


def test_content_is_asked_for_as_it_is(site: str) -> None:
    assert fetch(f"{site}/encoding", LOCAL) == b"identity"


def test_redirects_are_followed_up_to_the_limit(site: str) -> None:
    assert fetch(f"{site}/hops/2", LOCAL) == b"arrived"
    with pytest.raises(MediaError, match="redirects more than 2 times"):
        fetch(f"{site}/hops/3", LOCAL)


def test_size_is_limited(site: str) -> None:
    assert len(fetch(f"{site}/big/1000", LOCAL)) == 1000
    with pytest.raises(MediaError, match="more than the 1000 bytes"):
        fetch(f"{site}/big/1001", LOCAL)


def test_a_server_that_drips_is_given_up(site: str) -> None:
    start = monotonic()
    with pytest.raises(MediaError, match=r"takes longer than the 0\.2 s the policy allows"):
        fetch(f"{site}/slow", FetchPolicy(allow_http=True, allow_private=True, timeout_s=0.2))
    assert monotonic() - start < 1


def test_errors_of_the_server_are_told(site: str) -> None:
    with pytest.raises(MediaError, match="answers 404 Not Found"):
        fetch(f"{site}/nothing", LOCAL)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        with pytest.raises(MediaError, match="cannot be fetched"):
            fetch(f"http://127.0.0.1:{free.getsockname()[1]}/", LOCAL)


@pytest.mark.parametrize(
    "url", ["http://", "http://a b/", "http://[::1/", "ftp://127.0.0.1/x", "http://\udcff/"]
)
def test_what_is_no_web_address_is_refused(url: str) -> None:
    with pytest.raises(MediaError):
        fetch(url, LOCAL)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "0"]
)
def test_private_addresses_are_refused(host: str) -> None:
    with pytest.raises(MediaError, match="private address"):
        fetch(f"http://{host}/", PUBLIC)


def test_a_name_that_means_a_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    _resolver(monkeypatch, lambda host: "192.168.0.1")
    with pytest.raises(MediaError, match=r"host example.org has the private address 192.168.0.1"):
        fetch("http://example.org/", PUBLIC)


def test_each_hop_is_checked(site: str) -> None:
    with pytest.raises(MediaError, match="no http or https URL"):
        fetch(f"{site}/elsewhere", LOCAL)


def test_the_connection_goes_to_the_address_that_was_checked(
    site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _resolver(monkeypatch, lambda host: "127.0.0.1")
    port = site.rpartition(":")[2]
    # the name does not exist, and is looked up once
    assert fetch(f"http://picture.invalid:{port}/host", LOCAL) == f"picture.invalid:{port}".encode()
    assert asked.count("picture.invalid") == 1


def test_only_allowed_hosts_are_asked(site: str) -> None:
    policy = FetchPolicy(allow_http=True, allow_private=True, allowed_hosts=frozenset({"example.org"}))
    with pytest.raises(MediaError, match=r"host 127.0.0.1 is not allowed; allowed: example.org"):
        fetch(f"{site}/ok", policy)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("224.0.0.1", False),
        ("100.64.0.1", False),
        ("fe80::1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("64:ff9b::5db8:d822", True),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert _is_public(ip_address(address)) == public


@pytest.mark.parametrize("limits", [{"max_bytes": 0}, {"timeout_s": 0.0}, {"max_redirects": -1}])
def test_impossible_limits_are_refused(limits: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=str(next(iter(limits)))):
        FetchPolicy(**limits)


@given(st.binary(max_size=200), st.sampled_from(["", "image/png", "IMAGE/x-y", "application/octet-stream"]))
def test_data_urls_hold_any_bytes(content: bytes, media_type: str) -> None:
    url = f"data:{media_type};base64,{b64encode(content).decode()}"
    assert read_data_url(url, "image", DEFAULT_POLICY) == content
    escaped = "".join(f"%{byte:02x}" for byte in content)
    assert read_data_url(f"data:{media_type},{escaped}", "image", DEFAULT_POLICY) == content


@given(st.binary(max_size=60))
def test_base64_may_be_written_in_escapes(content: bytes) -> None:
    for written in (quote(b64encode(content), safe=""), "".join(f"%{b:02X}" for b in b64encode(content))):
        url = f"data:image/png;base64,{written}"
        assert read_data_url(url, "image", FetchPolicy(max_bytes=max(1, len(content)))) == content


@given(st.text(max_size=300))
def test_any_text_is_read_within_the_limit_or_refused(text: str) -> None:
    policy = FetchPolicy(max_bytes=100)
    for head in ("data:", "data:,", "data:;base64,", "data:image/png,", ""):
        with suppress(MediaError):
            assert len(read_data_url(head + text, "image", policy)) <= 100


def test_parameters_of_data_urls_are_skipped() -> None:
    assert read_data_url("data:image/png;name=a.png;base64,YQ==", "image", DEFAULT_POLICY) == b"a"


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("data:image/png;base64", "no valid data: URL"),
        ("data:text/html;base64,YQ==", "holds text/html; image content"),
        ("data:image/png;base64,Y Q==", "damaged"),
        ("data:image/png;base64,é", "damaged"),
        ("data:image/png;base64," + "A" * 1400, "more than the 1000 bytes"),
        ("data:image/png," + "A" * 1001, "more than the 1000 bytes"),
        ("data:image/png," + "é" * 501, "more than the 1000 bytes"),  # two bytes each
        ("data:image/png," + "A" * 10_000, "more than the 1000 bytes"),
        ("data:image/png,\udcff", "damaged"),
        ("data:image/png;base64,Y%ZZ=", "damaged"),
    ],
)
def test_bad_data_urls_are_refused(url: str, cause: str) -> None:
    with pytest.raises(MediaError, match=cause):
        read_data_url(url, "image", LOCAL)


def test_long_urls_are_shortened_in_messages() -> None:
    assert shorten("a" * 100) == "a" * 80 + "..."
    assert shorten("short") == "short"
