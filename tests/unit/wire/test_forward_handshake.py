"""HELO, PING and PONG: who is let in, and who is not."""

from __future__ import annotations

from contextlib import suppress

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.wire.forward.frames import Malformed
from safelight.wire.forward.handshake import Doorkeeper, Visitor

USERS = {"agent": "a password"}


def met(keeper, visitor):
    """What the server refused, and what the client."""
    answer = keeper.answer(visitor.ping(keeper.helo()))
    return answer.refused, visitor.refusal(answer.pong)


def test_two_who_have_the_same_key_trust_each_other():
    assert met(Doorkeeper("key", {}, "us"), Visitor("key", "", "", "them")) == ("", "")
    assert met(Doorkeeper("key", USERS, "us"), Visitor("key", "agent", "a password", "them")) == ("", "")


@pytest.mark.parametrize(
    ("users", "visitor", "reason"),
    [
        ({}, ("wrong", "", ""), "shared_key mismatch"),
        (USERS, ("wrong", "agent", "a password"), "shared_key mismatch"),
        (USERS, ("key", "agent", "wrong"), "username/password mismatch"),
        (USERS, ("key", "nobody", ""), "username/password mismatch"),
        (USERS, ("key", "", ""), "username/password mismatch"),
    ],
    ids=["key", "key of a user", "password", "user", "no user"],
)
def test_who_does_not_know_it_all_is_told_why(users, visitor, reason):
    assert met(Doorkeeper("key", users, "us"), Visitor(*visitor, "them")) == (reason, reason)


def test_a_server_that_only_says_yes_is_not_trusted():
    visitor = Visitor("key", "", "", "them")
    visitor.ping(Doorkeeper("key", {}, "us").helo())
    assert visitor.refusal(msgpack.packb(["PONG", True, "", "us", "0" * 128]))


def test_a_ping_of_another_connection_lets_nobody_in():
    visitor = Visitor("key", "", "", "them")
    ping = visitor.ping(Doorkeeper("key", {}, "us").helo())
    assert Doorkeeper("key", {}, "us").answer(ping).refused == "shared_key mismatch"


def test_the_salt_is_text_for_fluent_bit_and_random_bytes_as_text_are_taken_from_it():
    keeper = Doorkeeper("key", {}, "us")
    visitor = Visitor("key", "", "", "them")
    assert isinstance(msgpack.unpackb(visitor.ping(keeper.helo()))[2], str)
    helo = msgpack.unpackb(keeper.helo())
    from hashlib import sha512

    salt = bytes(range(240, 256))
    digest = sha512(salt + b"flb" + helo[1]["nonce"] + b"key").hexdigest()
    ping = b"\x96\xa4PING\xa3flb\xb0" + salt + msgpack.packb(digest) + b"\xa0\xa0"
    assert keeper.answer(ping).refused == ""


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"\xc1",
        b"\x01",
        msgpack.packb(["PING"]),
        msgpack.packb(["PING", 1, 2, 3, 4, 5]),
        msgpack.packb(["HELO", {}]),
    ],
    ids=["nothing", "no messagepack", "number", "short", "numbers", "helo"],
)
def test_what_is_no_ping_is_refused_in_one_way(bad):
    with pytest.raises(Malformed):
        Doorkeeper("key", USERS, "us").answer(bad)


@pytest.mark.parametrize(
    "bad",
    [b"\xc1", msgpack.packb(["HELO"]), msgpack.packb(["HELO", 5]), msgpack.packb(["HELO", {"nonce": 5}])],
    ids=["no messagepack", "short", "no options", "nonce a number"],
)
def test_what_is_no_helo_is_refused_in_one_way(bad):
    with pytest.raises(Malformed):
        Visitor("key", "", "", "them").ping(bad)


@given(st.binary(max_size=80))
@settings(max_examples=80, deadline=None)
def test_arbitrary_bytes_never_let_anybody_in(data):
    keeper = Doorkeeper("key", USERS, "us")
    with suppress(Malformed):
        assert keeper.answer(data).refused
    visitor = Visitor("key", "", "", "them")
    visitor.ping(keeper.helo())
    with suppress(Malformed):
        assert visitor.refusal(data)
