"""Addresses, certificates and who is let in."""

from __future__ import annotations

import socket

import pytest
from pydantic import TypeAdapter, ValidationError

from safelight.errors import ConfigError
from safelight.sources.http import Http
from safelight.sources.listen import Address, Listen, Tls, bind

listen = TypeAdapter(Listen)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("127.0.0.1:24224", Address("127.0.0.1", 24224)),
        ("[::1]:0", Address("::1", 0)),
        ("logs.internal:65535", Address("logs.internal", 65535)),
    ],
)
def test_an_address_is_a_host_and_a_port(written, meant):
    assert listen.validate_python(written) == meant
    assert str(meant) == written
    assert listen.dump_python(meant) == written
    assert listen.validate_python(meant) == meant


@pytest.mark.parametrize(
    "written", ["", "24224", ":24224", "127.0.0.1", "host:port", "host:65536", "host:-1", "host:²", 5]
)
def test_anything_else_is_none(written):
    with pytest.raises(ValidationError, match=r"127\.0\.0\.1:24224"):
        listen.validate_python(written)


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "10.0.0.5", "logs.internal"])
def test_beyond_this_machine_something_must_keep_strangers_out(host):
    with pytest.raises(ValidationError, match="token, allow_from"):
        Http(listen=f"{host}:8681")
    assert Http(listen=f"{host}:8681", token="a secret")
    assert Http(listen=f"{host}:8681", allow_from=["10.0.0.0/8"])


def test_on_this_machine_nothing_must():
    for host in ("127.0.0.1", "[::1]", "localhost", "127.8.8.8"):
        assert Http(listen=f"{host}:8681").listen.port == 8681


def test_a_token_of_nothing_keeps_nobody_out():
    with pytest.raises(ValidationError):
        Http(listen="0.0.0.0:8681", token="")


@pytest.mark.parametrize(
    ("peer", "let_in"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("192.168.1.1", False),
        ("fd00::5", True),
        ("fd00::5%eth0", True),
        ("fe80::1", False),
        ("", False),
        ("a socket", False),
    ],
)
def test_only_the_networks_that_are_named_may_send(peer, let_in):
    source = Http(allow_from=["10.0.0.0/8", "fd00::/8"])
    assert source.admits(peer) is let_in
    assert Http().admits(peer)


def test_a_port_that_is_taken_says_so_in_one_sentence():
    with bind(Address("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}"), bind(Address("127.0.0.1", port)):
            pass
    with bind(Address("127.0.0.1", port)) as free:
        assert free.getsockname()[1] == port


def test_answers_are_not_held_back_for_an_acknowledgement():
    with bind(Address("127.0.0.1", 0)) as listener:
        assert listener.proto == socket.IPPROTO_TCP, "asyncio turns Nagle's algorithm off only for such sockets"


def test_a_name_that_leads_nowhere_says_so_too():
    with pytest.raises(ConfigError, match=r"no-such-host\.invalid:1"), bind(Address("no-such-host.invalid", 1)):
        pass


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_ipv6_is_listened_on():
    try:
        with bind(Address("::1", 0)) as listener:
            assert listener.family == socket.AF_INET6
    except ConfigError as error:
        pytest.skip(str(error))


def test_a_certificate_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "server.crt").write_text("no certificate")
    with pytest.raises(ConfigError, match=r"server\.crt"):
        Tls(cert=tmp_path / "server.crt", key=tmp_path / "server.key").context()


def test_a_listener_is_called_by_where_it_listens():
    assert Http().name == "http"
    assert Http(listen="127.0.0.1:8681").name == "http 127.0.0.1:8681"
