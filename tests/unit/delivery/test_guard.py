"""Where a channel may connect."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import subprocess

import anyio
import httpx
import pytest

from safelight.delivery.guard import ADDRESSES_TRIED, Guarded, is_public
from safelight.errors import DeliveryError
from support.providers import Provider


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "100.100.100.200",
        "0.0.0.0", "224.0.0.1", "240.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1",
        "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a00:1::",
        "fec0::1", "feff:ffff::1", "::127.0.0.1", "::10.0.0.1", "::169.254.169.254", "64:ff9b::10.0.0.1",
        "64:ff9b:1::1", "64:ff9b:1:ffff::101:101",
    ],
)  # fmt: skip
def test_an_address_inside_is_not_public(address):
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["1.1.1.1", "106.11.35.100", "2606:4700:4700::1111", "64:ff9b::101:101"])
def test_an_address_outside_is_public(address):
    assert is_public(ipaddress.ip_address(address))


class Wire(httpx.AsyncBaseTransport):
    """Takes requests instead of a network, and refuses to connect to some addresses."""

    def __init__(self, unreachable=()):
        self.requests = []
        self.unreachable = unreachable

    async def handle_async_request(self, request):
        self.requests.append(request)
        if request.url.host in self.unreachable:
            raise httpx.ConnectError("refused")
        return httpx.Response(200, content=await request.aread())


@pytest.fixture
def names(monkeypatch):
    """A telephone book in place of the resolver."""
    book = {}

    async def getaddrinfo(host, port, **_):
        if host not in book:
            raise socket.gaierror
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, port)) for address in book[host]]

    monkeypatch.setattr(anyio, "getaddrinfo", getaddrinfo)
    return book


def ask(url, wire, **options):
    async def main():
        guarded = Guarded(wire, **{"allow_private": False, **options})
        async with httpx.AsyncClient(transport=guarded) as client:
            return await client.post(url, content=b"body")

    return anyio.run(main)


def test_it_connects_to_the_address_it_checked_under_the_name_it_was_given(names):
    names["hooks.example.com"] = ["1.1.1.1"]
    wire = Wire()
    response = ask("https://hooks.example.com:8443/x?y=1", wire)
    (request,) = wire.requests
    assert str(request.url) == "https://1.1.1.1:8443/x?y=1"
    assert request.headers["Host"] == "hooks.example.com:8443"
    assert request.extensions["sni_hostname"] == "hooks.example.com"
    assert response.content == b"body"


def test_a_version_6_address_is_written_as_one(names):
    names["six.example.com"] = ["2606:4700:4700::1111"]
    wire = Wire()
    ask("http://six.example.com/x", wire)
    assert str(wire.requests[0].url) == "http://[2606:4700:4700::1111]/x"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/", "http://[::1]/", "http://169.254.169.254/latest", "http://2130706433/"]
)
def test_a_private_address_is_refused_before_anything_is_sent(url):
    wire = Wire()
    with pytest.raises(DeliveryError) as caught:
        ask(url, wire)
    assert caught.value.key == "channels.private_address"
    assert not wire.requests


def test_a_name_with_one_private_address_is_refused(names):
    names["mixed.example.com"] = ["1.1.1.1", "10.0.0.1"]
    wire = Wire()
    with pytest.raises(DeliveryError):
        ask("https://mixed.example.com/", wire)
    assert not wire.requests


def test_allow_private_is_told_and_still_pins(names):
    names["alerts.internal"] = ["10.0.0.1"]
    wire = Wire()
    ask("http://alerts.internal/", wire, allow_private=True)
    assert wire.requests[0].url.host == "10.0.0.1"


def test_a_providers_own_host_is_proven_by_its_certificate_only(names):
    names["oapi.dingtalk.com"] = ["198.18.0.5"]
    known = {"known_hosts": {"oapi.dingtalk.com"}}
    ask("https://oapi.dingtalk.com/robot/send", Wire(), **known)
    with pytest.raises(DeliveryError):
        ask("http://oapi.dingtalk.com/robot/send", Wire(), **known)


def test_the_next_address_is_tried_when_one_does_not_answer(names):
    names["many.example.com"] = ["1.1.1.1", "1.1.1.2", "1.1.1.3", "1.1.1.4"]
    wire = Wire(unreachable={"1.1.1.1"})
    ask("https://many.example.com/", wire)
    assert [request.url.host for request in wire.requests] == ["1.1.1.1", "1.1.1.2"]
    everywhere = Wire(unreachable=set(names["many.example.com"]))
    with pytest.raises(httpx.ConnectError):
        ask("https://many.example.com/", everywhere)
    assert len(everywhere.requests) == ADDRESSES_TRIED


def test_a_name_nobody_knows_cannot_be_reached(names):
    with pytest.raises(httpx.ConnectError):
        ask("https://nowhere.example.com/", Wire())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Of `hooks.test`, signed by itself."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=hooks.test",
         "-addext", "subjectAltName=DNS:hooks.test", "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True,
        capture_output=True,
    )  # fmt: skip
    return folder


@pytest.mark.parametrize(("name", "trusted"), [("hooks.test", True), ("other.test", False)])
def test_the_certificate_must_be_of_the_name_not_of_the_address(certificate, names, name, trusted):
    names[name] = ["127.0.0.1"]
    with Provider(tls=(certificate / "cert.pem", certificate / "key.pem")) as peer:
        context = ssl.create_default_context(cafile=str(certificate / "cert.pem"))
        wire = httpx.AsyncHTTPTransport(verify=context)
        url = f"https://{name}:{peer.port}/x"
        if trusted:
            assert ask(url, wire, allow_private=True).status_code == 200
            assert peer.received[0].headers["host"] == f"{name}:{peer.port}"
        else:
            with pytest.raises(httpx.ConnectError, match="certificate"):
                ask(url, wire, allow_private=True)
            assert not peer.received
