"""Fetching pictures: what is connected to, how much is read, how long it may take. Each security property is a test."""

from __future__ import annotations

import ipaddress
import logging
import ssl
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from api.api_doubles import ImageHost, jpeg
from hypothesis import example, given
from hypothesis import strategies as st
from support.waiting import eventually

from screentest.detection.api.addresses import is_public
from screentest.detection.api.errors import ApiError
from screentest.detection.api.fetch import HttpFetcher, Resolver, resolve
from screentest.detection.api.throttle import (
    MOST_SECONDS,
    PASSED_SECONDS,
    PICTURES_A_SECOND,
    Busy,
    Hosts,
    Limits,
    Throttle,
)
from screentest.detection.api.urls import parse

PICTURE = jpeg()


def fetch(fetcher: HttpFetcher, url: str) -> bytes:
    return fetcher.fetch(fetcher.locate(url), lambda _size: None)


def code_of(fetcher: HttpFetcher, url: str) -> str:
    with pytest.raises(ApiError) as caught:
        fetch(fetcher, url)
    return caught.value.code


def names(**addresses: list[str]) -> Resolver:
    """A resolver that knows these names, dots written as underscores."""
    known = {name.replace("_", "."): found for name, found in addresses.items()}
    return lambda host, port: known[host] if host in known else resolve(host, port)


@pytest.fixture
def anywhere() -> HttpFetcher:
    return HttpFetcher(allow_private=True)


PRIVATE = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.0.2.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:0:10.0.0.1",
    "64:ff9b::10.0.0.1",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::8.8.8.8",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::",
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "not an address",
    "",
]


class TestAddresses:
    @pytest.mark.parametrize("address", PRIVATE)
    def test_not_public(self, address: str) -> None:
        assert not is_public(address)

    @pytest.mark.parametrize(
        "address",
        [
            "8.8.8.8",
            "1.1.1.1",
            "100.63.255.255",
            "172.32.0.1",
            "2600:9000::1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
        ],
    )
    def test_public(self, address: str) -> None:
        assert is_public(address)

    @given(st.ip_addresses())
    @example(ipaddress.ip_address("192.88.99.1"))
    def test_no_broader_than_the_standard_library(
        self, address: ipaddress.IPv4Address | ipaddress.IPv6Address
    ) -> None:
        special = (
            address.is_private
            or address.is_loopback
            or address.is_link_local
            or address.is_multicast
            or address.is_unspecified
        )
        if special and getattr(address, "ipv4_mapped", None) is None:
            assert not is_public(str(address))

    @given(st.ip_addresses(v=4))
    def test_an_address_in_disguise_is_judged_by_what_it_reaches(
        self, address: ipaddress.IPv4Address
    ) -> None:
        assert is_public(f"::ffff:{address}") == is_public(f"64:ff9b::{address}") == is_public(str(address))


class TestUrls:
    @pytest.mark.parametrize(
        ("url", "host", "port", "target"),
        [
            ("http://pictures.example", "pictures.example", 80, "/"),
            ("HTTPS://Pictures.Example:8443/A?b=%2F&c=ü", "pictures.example", 8443, "/A?b=%2F&c=%C3%BC"),
            ("https://[2600::1]/a#fragment", "2600::1", 443, "/a"),
            ("https://bücher.example/a", "xn--bcher-kva.example", 443, "/a"),
            ("http://１２７.0.0.1/a", "127.0.0.1", 80, "/a"),
        ],
    )
    def test_parts(self, url: str, host: str, port: int, target: str) -> None:
        parsed = parse(url)
        assert (parsed.host, parsed.port, parsed.target) == (host, port, target)

    def test_a_signed_target_is_left_alone(self) -> None:
        target = (
            "/b/k%20%2B%C3%A9(1)'~!*.jpg?X-Amz-Credential=AKIA%2F20261121&X-Amz-Signature=ab%3D&x=[1]|{2}"
        )
        assert parse(f"https://bucket.s3.amazonaws.com{target}").target == target

    def test_what_is_told_of_a_url(self) -> None:
        url = parse("https://pictures.example:8443/secret.jpg?X-Amz-Signature=secret")
        assert str(url) == "https://pictures.example:8443"

    @pytest.mark.parametrize("port", [22, 25, 0, 445])
    def test_ports_of_other_services(self, port: int) -> None:
        with pytest.raises(ApiError):
            parse(f"http://pictures.example:{port}/")

    @given(st.text())
    def test_any_text_is_a_url_or_a_clear_error(self, text: str) -> None:
        for url in (text, f"http://{text}", f"http://pictures.example/{text}", f"http://h:{text}/"):
            try:
                parsed = parse(url)
            except ApiError:
                continue
            assert parsed.host
            assert parsed.target.isascii()
            assert parsed.target.startswith("/")


SPELLINGS = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.0.0.1/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://0/",
    "http://0.0.0.0/",
    "http://localhost/",
    "http://localhost./",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[0:0:0:0:0:ffff:127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://１２７.0.0.1/",
    "http://127。0。0。1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/",
    "http://[fd00:ec2::254]/",
    "http://100.100.100.200/",
]


class TestGuard:
    @pytest.mark.parametrize("url", SPELLINGS)
    def test_spellings_of_private_addresses(self, url: str) -> None:
        assert code_of(HttpFetcher(), url) == "InvalidURL"

    def test_loopback_is_never_connected_to(self, image_host: ImageHost) -> None:
        url = image_host.serve("/a.jpg", PICTURE)
        for host in ("127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]"):
            assert code_of(HttpFetcher(), url.replace("127.0.0.1", host)) == "InvalidURL"
        assert image_host.seen == []

    def test_a_name_with_a_private_address_among_public_ones(self, image_host: ImageHost) -> None:
        image_host.serve("/a.jpg", PICTURE)
        fetcher = HttpFetcher(resolver=names(mixed_example=["8.8.8.8", "127.0.0.1"]))
        assert code_of(fetcher, f"http://mixed.example:{image_host.port}/a.jpg") == "InvalidURL"
        assert image_host.seen == []

    def test_a_name_that_changes_its_answer(self, image_host: ImageHost) -> None:
        # The name is resolved once, and the connection goes to the address that was checked.
        image_host.serve("/a.jpg", PICTURE)
        answers = iter([["127.0.0.1"], ["8.8.8.8"], ["8.8.8.8"]])
        asked: list[str] = []

        def rebinding(host: str, _port: int) -> list[str]:
            asked.append(host)
            return next(answers)

        assert (
            code_of(HttpFetcher(resolver=rebinding), f"http://r.example:{image_host.port}/a.jpg")
            == "InvalidURL"
        )
        assert asked == ["r.example"]
        assert image_host.seen == []

    def test_a_redirect_into_the_private_network(self, image_host: ImageHost) -> None:
        image_host.serve("/a.jpg", PICTURE)
        fetcher = HttpFetcher(
            resolver=names(public_example=["127.0.0.1"]), allowed_hosts=[("public.example", image_host.port)]
        )
        for number, there in enumerate(
            (f"{image_host.base}/a.jpg", f"http://2130706433:{image_host.port}/a.jpg")
        ):
            image_host.redirect(f"/r{number}", there)
            assert code_of(fetcher, f"http://public.example:{image_host.port}/r{number}") == "InvalidURL"
        assert [path for _, path, _ in image_host.seen] == ["/r0", "/r1"]

    @pytest.mark.parametrize(
        "location", ["file:///etc/passwd", "gopher://x.example/", "http://u:p@x.example/", "//"]
    )
    def test_a_redirect_to_what_is_never_fetched(
        self, image_host: ImageHost, anywhere: HttpFetcher, location: str
    ) -> None:
        assert code_of(anywhere, image_host.redirect("/r", location)) == "InvalidURL"

    def test_the_allowed_host_is_that_host_and_port_alone(self, image_host: ImageHost) -> None:
        image_host.serve("/a.jpg", PICTURE)
        resolver = names(storage_example=["127.0.0.1"], other_example=["127.0.0.1"])
        fetcher = HttpFetcher(resolver=resolver, allowed_hosts=[("Storage.Example", image_host.port)])
        assert fetch(fetcher, f"http://storage.example:{image_host.port}/a.jpg") == PICTURE
        assert code_of(fetcher, f"http://other.example:{image_host.port}/a.jpg") == "InvalidURL"
        assert code_of(fetcher, f"{image_host.base}/a.jpg") == "InvalidURL"
        other_port = HttpFetcher(resolver=resolver, allowed_hosts=[("storage.example", image_host.port + 1)])
        assert code_of(other_port, f"http://storage.example:{image_host.port}/a.jpg") == "InvalidURL"

    def test_a_plain_get_without_anything_of_this_machine(
        self, image_host: ImageHost, anywhere: HttpFetcher, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, "http://127.0.0.1:1/")
        fetch(anywhere, image_host.serve("/a.jpg", PICTURE) + "?X-Amz-Signature=a%2Fb")
        ((method, path, headers),) = image_host.seen
        assert (method, path) == ("GET", "/a.jpg?X-Amz-Signature=a%2Fb")
        assert set(headers) == {"Host", "Accept", "Accept-Encoding", "User-Agent", "Connection"}
        assert headers["Accept-Encoding"] == "identity"

    def test_cookies_do_not_travel(self, image_host: ImageHost, anywhere: HttpFetcher) -> None:
        image_host.serve("/b.jpg", PICTURE)
        image_host.serve("/a", b"", status=302, headers={"Location": "/b.jpg", "Set-Cookie": "id=1"})
        fetch(anywhere, image_host.base + "/a")
        assert "Cookie" not in image_host.seen[-1][2]

    def test_https_is_not_given_up_on_the_way(self) -> None:
        with pytest.raises(ApiError):
            parse("https://pictures.example/a").joined("http://pictures.example/b")
        assert parse("http://pictures.example/a").joined("https://pictures.example/b").scheme == "https"
        assert parse("https://pictures.example/a/b?x").joined("c?y").target == "/a/c?y"

    def test_nothing_secret_is_logged(
        self, image_host: ImageHost, anywhere: HttpFetcher, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        secret = "?X-Amz-Signature=5ec2e7"
        fetch(anywhere, image_host.serve("/a.jpg", PICTURE) + secret)
        code_of(anywhere, image_host.base + "/absent" + secret)
        code_of(HttpFetcher(), image_host.base + "/a.jpg" + secret)
        assert "5ec2e7" not in caplog.text
        assert "127.0.0.1" in caplog.text


class TestDownload:
    def test_redirects_are_followed_up_to_three(self, image_host: ImageHost, anywhere: HttpFetcher) -> None:
        image_host.serve("/0", PICTURE)
        for number in range(1, 6):
            image_host.redirect(f"/{number}", f"/{number - 1}", status=(301, 302, 303, 307, 308)[number - 1])
        assert fetch(anywhere, image_host.base + "/3") == PICTURE
        assert code_of(anywhere, image_host.base + "/4") == "InvalidURL"
        image_host.redirect("/loop", "/loop")
        assert code_of(anywhere, image_host.base + "/loop") == "InvalidURL"

    @pytest.mark.parametrize("kind", ["text/html", "application/octet-stream", "", "image/gif"])
    def test_magic_bytes_count_and_not_the_content_type(
        self, image_host: ImageHost, anywhere: HttpFetcher, kind: str
    ) -> None:
        assert fetch(anywhere, image_host.serve("/a", PICTURE, headers={"Content-Type": kind})) == PICTURE
        page = image_host.serve("/b.jpg", b"<html>" * 9, headers={"Content-Type": "image/jpeg"})
        assert code_of(anywhere, page) == "InvalidURL"

    @pytest.mark.parametrize("data", [b"", b"\xff", b"GIF89a" + bytes(64), b"%PDF-1.7" + bytes(64)])
    def test_what_is_no_picture(self, image_host: ImageHost, anywhere: HttpFetcher, data: bytes) -> None:
        assert code_of(anywhere, image_host.serve("/a.jpg", data)) == "InvalidURL"

    @pytest.mark.parametrize(
        ("status", "code"),
        [
            (204, "InvalidURL"),
            (206, "InvalidURL"),
            (403, "InvalidURL"),
            (404, "InvalidURL"),
            (429, "BadRequest.InputDownloadFailed"),
            (500, "BadRequest.InputDownloadFailed"),
            (503, "BadRequest.InputDownloadFailed"),
        ],
    )
    def test_statuses(self, image_host: ImageHost, anywhere: HttpFetcher, status: int, code: str) -> None:
        assert code_of(anywhere, image_host.serve("/a.jpg", b"", status=status)) == code

    def test_said_to_be_too_large(self, image_host: ImageHost) -> None:
        fetcher = HttpFetcher(allow_private=True, max_bytes=1024 * 1024)
        url = image_host.serve("/a.jpg", b"", headers={"Content-Length": str(2 * 1024 * 1024)})
        assert code_of(fetcher, url) == "InvalidFile.Size"

    def test_endless(self, image_host: ImageHost) -> None:
        def endless(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.send_header("Connection", "close")
            handler.end_headers()
            handler.wfile.write(PICTURE)
            while True:
                handler.wfile.write(bytes(65_536))

        taken: list[int] = []
        fetcher = HttpFetcher(allow_private=True, max_bytes=1024 * 1024)
        with pytest.raises(ApiError) as caught:
            fetcher.fetch(parse(image_host.script("/a.jpg", endless)), taken.append)
        assert caught.value.code == "InvalidFile.Size"
        assert sum(taken) <= 1024 * 1024

    def test_a_compressed_answer_is_not_unpacked(self, image_host: ImageHost, anywhere: HttpFetcher) -> None:
        import gzip

        bomb = gzip.compress(PICTURE + bytes(10_000_000))
        url = image_host.serve("/a.jpg", bomb, headers={"Content-Encoding": "gzip"})
        assert code_of(anywhere, url) == "InvalidURL"

    def test_cut_off_midway(self, image_host: ImageHost, anywhere: HttpFetcher) -> None:
        def cut(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(200)
            handler.send_header("Content-Length", str(len(PICTURE)))
            handler.end_headers()
            handler.wfile.write(PICTURE[:100])
            handler.close_connection = True

        assert code_of(anywhere, image_host.script("/a.jpg", cut)) == "BadRequest.InputDownloadFailed"

    def test_no_http_at_all(self, image_host: ImageHost, anywhere: HttpFetcher) -> None:
        def noise(handler: BaseHTTPRequestHandler) -> None:
            handler.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n")
            handler.close_connection = True

        assert code_of(anywhere, image_host.script("/a.jpg", noise)) == "BadRequest.InputDownloadFailed"

    def test_refused(self, anywhere: HttpFetcher) -> None:
        import socket

        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        assert code_of(anywhere, f"http://127.0.0.1:{port}/a.jpg") == "InvalidURL.ConnectionRefused"

    def test_no_such_name(self) -> None:
        def unknown(_host: str, _port: int) -> list[str]:
            import socket

            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        assert code_of(HttpFetcher(resolver=unknown), "http://absent.example/a.jpg") == "InvalidURL"

    def test_the_next_address_is_tried_and_the_name_resolved_once(self, image_host: ImageHost) -> None:
        image_host.serve("/a.jpg", PICTURE)
        answers = iter([["127.0.0.2", "127.0.0.1"]])
        fetcher = HttpFetcher(allow_private=True, resolver=lambda _host, _port: next(answers))
        assert fetch(fetcher, f"http://two.example:{image_host.port}/a.jpg") == PICTURE

    def test_tls_is_checked_by_name(self, tmp_path: Path) -> None:
        host, context = tls_host(tmp_path, PICTURE)
        resolver = names(pictures_example=["127.0.0.1"], other_example=["127.0.0.1"])
        fetcher = HttpFetcher(allow_private=True, resolver=resolver, ssl_context=context)
        assert fetch(fetcher, f"https://pictures.example:{host}/a.jpg") == PICTURE
        assert code_of(fetcher, f"https://other.example:{host}/a.jpg") == "InvalidURL"
        untrusting = HttpFetcher(allow_private=True, resolver=resolver)
        assert code_of(untrusting, f"https://pictures.example:{host}/a.jpg") == "InvalidURL"


CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"%x\r\n" % len(PICTURE) + PICTURE + b"\r\n"
)


class TestTime:
    """Ten seconds in all; here a fraction of a second, so that the tests are quick. None of them measures time."""

    @pytest.fixture
    def hasty(self) -> HttpFetcher:
        return HttpFetcher(allow_private=True, seconds=0.4)

    def trickle(self, head: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
        def page(handler: BaseHTTPRequestHandler) -> None:
            handler.wfile.write(head)
            handler.wfile.flush()
            for _ in range(200):
                time.sleep(0.05)
                handler.wfile.write(b"x")
                handler.wfile.flush()

        return page

    @pytest.mark.parametrize(
        "head",
        [
            b"HTTP/1.1 200 OK\r\nX-Slow: ",
            b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n" + PICTURE[:64],
        ],
        ids=["header", "body"],
    )
    def test_a_host_that_trickles(self, image_host: ImageHost, hasty: HttpFetcher, head: bytes) -> None:
        # Each single read is quick: only a limit on the whole ends this.
        url = image_host.script("/a.jpg", self.trickle(head))
        with pytest.raises(ApiError) as caught:
            fetch(hasty, url + "?X-Amz-Signature=5ec2e7")
        assert caught.value.code == "InvalidURL.Timeout"
        assert caught.value.message == f"Download {image_host.base} timeout, please check network connection."

    @pytest.mark.parametrize(
        ("head", "piece"),
        [
            (b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
            (CHUNKED, b"1\r\nx\r\n"),
            (CHUNKED, b"1;" + b"x" * 50 + b"\r\nx\r\n"),
        ],
        ids=["103", "chunks", "extensions"],
    )
    def test_a_host_that_talks_without_end(
        self, image_host: ImageHost, hasty: HttpFetcher, head: bytes, piece: bytes
    ) -> None:
        def flood(handler: BaseHTTPRequestHandler) -> None:
            handler.wfile.write(head)
            while True:
                handler.wfile.write(piece * 2_000)

        assert code_of(hasty, image_host.script("/a.jpg", flood)) == "InvalidURL.Timeout"

    def test_a_host_that_never_answers(self, image_host: ImageHost, hasty: HttpFetcher) -> None:
        done = threading.Event()

        def hang(_handler: BaseHTTPRequestHandler) -> None:
            done.wait(20)

        try:
            assert code_of(hasty, image_host.script("/a.jpg", hang)) == "InvalidURL.Timeout"
        finally:
            done.set()

    def test_redirects_share_the_time(self, image_host: ImageHost, hasty: HttpFetcher) -> None:
        def slow_redirect(handler: BaseHTTPRequestHandler) -> None:
            time.sleep(0.3)
            handler.send_response(302)
            handler.send_header("Location", "/a.jpg")
            handler.send_header("Content-Length", "0")
            handler.end_headers()

        assert code_of(hasty, image_host.script("/a.jpg", slow_redirect)) == "InvalidURL.Timeout"
        assert len(image_host.seen) <= 2

    def test_a_resolver_that_hangs(self) -> None:
        done = threading.Event()

        def hang(_host: str, _port: int) -> list[str]:
            done.wait(20)
            return []

        fetcher = HttpFetcher(seconds=0.2, resolver=hang)
        try:
            assert code_of(fetcher, "http://slow.example/a.jpg") == "InvalidURL.Timeout"
        finally:
            done.set()


class TestThrottle:
    def test_each_stage_has_places_of_its_own(self) -> None:
        throttle = Throttle(Limits(fetching=2, waiting=1, quick_seconds=0))
        with throttle.fetching(), throttle.fetching():
            with pytest.raises(Busy), throttle.fetching():
                pass
            with throttle.turn(1, 0):
                pass
        with throttle.fetching():
            pass

    def test_downloads_that_began_just_now_count_as_pictures_that_wait(self) -> None:
        throttle = Throttle(Limits(waiting=2, quick_seconds=60))
        with throttle.turn(1, 0), throttle.fetching():
            assert throttle.full
            with pytest.raises(Busy), throttle.fetching():
                pass
        assert not throttle.full

    @pytest.mark.parametrize(
        ("one", "same", "other"),
        [
            ("8.8.8.8", "::ffff:8.8.8.8", "8.8.4.4"),
            ("64:ff9b::8.8.8.8", "8.8.8.8", "64:ff9b::8.8.4.4"),
            ("2600::1", "2600::ffff:1", "2600:0:0:1::1"),
        ],
    )
    def test_one_host_leaves_room(self, one: str, same: str, other: str) -> None:
        hosts = Hosts(2)
        with hosts.connected(one), hosts.connected(same):
            with pytest.raises(Busy), hosts.connected(one):
                pass
            with hosts.connected(other):
                pass
        with hosts.connected(one):
            pass

    def test_names_and_ports_of_one_host_are_one_host(self, image_host: ImageHost) -> None:
        inside, done = threading.Semaphore(0), threading.Event()

        def slow(handler: BaseHTTPRequestHandler) -> None:
            inside.release()
            done.wait(30)

        image_host.script("/slow.jpg", slow)
        resolver = names(a_example=["127.0.0.1"], b_example=["127.0.0.1"], c_example=["127.0.0.1"])
        fetcher = HttpFetcher(allow_private=True, resolver=resolver, hosts=Hosts(2))
        with ThreadPoolExecutor(2) as pool:
            pending = [
                pool.submit(code_of, fetcher, f"http://{name}.example:{image_host.port}/slow.jpg")
                for name in "ab"
            ]
            assert inside.acquire(timeout=30)
            assert inside.acquire(timeout=30)
            for port in (image_host.port, 8_080):
                with pytest.raises(Busy):
                    fetch(fetcher, f"http://c.example:{port}/")
            done.set()
            assert all(each.result(30) for each in pending)

    def test_the_refused_are_given_appointments_one_by_one_in_order_and_not_beyond_the_longest(self) -> None:
        throttle = Throttle(Limits.of(2))
        asked = [throttle.refused() for _ in range(2_000)]
        assert asked[0] == 1
        assert asked == sorted(asked)
        assert {asked.count(seconds) for seconds in range(2, MOST_SECONDS - 1)} == {2 * PICTURES_A_SECOND}
        assert asked[-1] == MOST_SECONDS

    def test_the_more_are_judged_the_sooner_the_refused_may_come_back(self) -> None:
        slow, quick = Throttle(Limits()), Throttle(Limits())
        for _ in range(200):
            with quick.turn(1, 0):
                pass
        assert max(quick.refused() for _ in range(100)) < max(slow.refused() for _ in range(100))

    def test_pictures_are_judged_in_the_order_in_which_they_were_asked_for(self) -> None:
        throttle, order = Throttle(Limits(judging=1)), []

        def enter(asked: float) -> None:
            with throttle.turn(1, asked):
                order.append(asked)

        with ThreadPoolExecutor(3) as pool:
            with throttle.turn(1, 0):
                waiting = [pool.submit(enter, asked) for asked in (3.0, 1.0, 2.0)]
                eventually(lambda: len(throttle._queue) == 3)
            for done in waiting:
                done.result(30)
        assert order == [1.0, 2.0, 3.0]

    def test_a_picture_whose_download_was_begun_is_judged_although_no_other_is_let_in(self) -> None:
        throttle = Throttle(Limits(waiting=1))
        with throttle.fetching():
            pass
        with throttle.turn(1, 0):
            assert throttle.full
            with throttle.turn(1, 0):
                pass

    def test_a_full_queue_is_said_before_the_download(self) -> None:
        throttle = Throttle(Limits(waiting=1))
        with throttle.turn(1, 0), pytest.raises(Busy), throttle.fetching():
            pass

    def test_bytes_are_given_back_whatever_happens(self) -> None:
        throttle = Throttle(Limits(held_bytes=10))
        with throttle.holding() as allowance:
            allowance.take(8)
            with pytest.raises(Busy):
                allowance.take(3)
        with throttle.holding() as allowance:
            allowance.take(10)

    def test_large_pictures_are_decoded_one_at_a_time(self) -> None:
        throttle = Throttle(Limits(decoding_bytes=10))
        inside, most, lock = 0, 0, threading.Lock()

        def decode(size: int) -> None:
            nonlocal inside, most
            with throttle.turn(size, time.monotonic()):
                with lock:
                    inside += min(size, 10)
                    most = max(most, inside)
                time.sleep(0.001)
                with lock:
                    inside -= min(size, 10)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(decode, [0, 3, 4, 100, 6, 5, 10, 1] * 10))
        assert inside == 0
        assert 5 <= most <= 10

    def test_small_pictures_pass_a_large_one_that_waits_but_not_for_ever(self) -> None:
        throttle = Throttle(Limits(decoding_bytes=10, judging=3))
        entered: list[str] = []

        def enter(name: str, size: int, leave: threading.Event) -> None:
            with throttle.turn(size, time.monotonic()):
                entered.append(name)
                assert leave.wait(30)

        at_work, other = threading.Event(), threading.Event()
        with ThreadPoolExecutor(4) as pool:
            work = [pool.submit(enter, "first", 6, at_work)]
            eventually(lambda: entered == ["first"])
            work += [pool.submit(enter, "large", 8, other)]
            eventually(lambda: len(throttle._queue) == 1)
            work += [pool.submit(enter, "small", 1, other)]
            eventually(lambda: entered == ["first", "small"])
            throttle._queue[0].since -= PASSED_SECONDS  # it has waited long enough
            work += [pool.submit(enter, "late", 1, other)]
            eventually(lambda: len(throttle._queue) == 2)
            assert entered == ["first", "small"]
            at_work.set()
            # Both have their turn at once; which thread says so first is the system's.
            eventually(lambda: sorted(entered[2:]) == ["large", "late"])
            other.set()
            for done in work:
                done.result(30)

    def test_whoever_waits_too_long_is_told(self) -> None:
        throttle = Throttle(Limits(judging=1, patience=0.05))
        with throttle.turn(1, 0), pytest.raises(Busy), throttle.turn(1, 0):
            pass
        with throttle.turn(1, 0):
            pass


def tls_host(folder: Path, data: bytes) -> tuple[int, ssl.SSLContext]:
    """An https server for `pictures.example` with a certificate of its own: port, and a context that trusts it."""
    import datetime
    import socket

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "pictures.example")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("pictures.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = folder / "host.pem"
    pem.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(pem)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for _ in range(3):
            connection, _ = listener.accept()
            try:
                with serving.wrap_socket(connection, server_side=True) as stream:
                    stream.recv(65_536)
                    stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
            except OSError:
                pass  # a client that does not trust us leaves in the handshake
        listener.close()

    threading.Thread(target=serve, daemon=True).start()
    return listener.getsockname()[1], ssl.create_default_context(cafile=str(pem))
