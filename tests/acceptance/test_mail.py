"""Mail to a real server: encrypted or not, refused, postponed, lost."""

from __future__ import annotations

import anyio
import pytest

from safelight.alerts.notification import Notification
from safelight.channels.email import Email
from safelight.delivery.trial import send_test
from safelight.errors import ChannelBroken, DeliveryError, Retryable
from support.mail import MailServer, certify
from support.office import office
from support.ports import closed_port

ANN, BOB = "ann@example.com", "bob@example.com"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return certify(tmp_path_factory.mktemp("tls"))


@pytest.fixture(autouse=True)
def names(monkeypatch):
    """`mail.test` is this machine."""
    real = anyio.getaddrinfo

    async def getaddrinfo(host, port, **options):
        return await real("127.0.0.1" if host == "mail.test" else host, port, **options)

    monkeypatch.setattr(anyio, "getaddrinfo", getaddrinfo)


def channel(server, **fields):
    made = {"name": "mail", "host": "mail.test", "port": server.port, "security": "none", "allow_private": True}
    return Email.model_validate(made | {"from": "Safelight <alerts@example.com>", "to": [ANN]} | fields)


def send(chosen):
    return anyio.run(send_test, chosen)


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_an_encrypted_mail_arrives_with_its_login(certificates, security):
    with MailServer(certificates, security=security, login=("ann", "hunter22")) as server:
        secret = {"user": "ann", "password": "hunter22", "ca": certificates / "ca.pem"}
        assert send(channel(server, security=security, **secret)) == "250 2.0.0 queued as 4F2"
        (mail,) = server.delivered
    assert mail.encrypted
    assert mail.user == "ann"
    assert mail.mail["Subject"] == "Safelight: test message"
    assert mail.mail.get_body(("plain",)).get_content().startswith("Safelight: test message\n\nThis is a test")


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_nobody_vouches_for_is_refused_before_the_password(certificates, security):
    with MailServer(certificates, security=security, login=("ann", "hunter22")) as server:
        with pytest.raises(Retryable, match="certificate that is not trusted"):
            send(channel(server, security=security, user="ann", password="hunter22"))
        assert not server.delivered


def test_a_certificate_of_another_name_is_refused(certificates):
    with MailServer(certificates, security="tls") as server, pytest.raises(Retryable, match="not trusted"):
        send(channel(server, security="tls", host="127.0.0.1", ca=certificates / "ca.pem"))


def test_a_server_that_does_not_encrypt_is_no_server_for_starttls():
    with MailServer() as server, pytest.raises(ChannelBroken, match="STARTTLS"):
        send(channel(server, security="starttls"))


def test_a_wrong_password_is_no_to_everything(certificates):
    with MailServer(login=("ann", "hunter22")) as server, pytest.raises(ChannelBroken, match="535") as caught:
        send(channel(server, user="ann", password="wrong-pass"))
    assert "wrong-pass" not in str(caught.value)


def test_an_unknown_sender_is_no_to_everything():
    with MailServer() as server:
        server.sender = ["550 sender not known"]
        with pytest.raises(ChannelBroken, match="550 sender not known"):
            send(channel(server))


def test_a_mail_too_large_is_refused_alone():
    with MailServer() as server:
        server.sender = ["552 too much mail data"]
        with pytest.raises(DeliveryError, match="552") as caught:
            send(channel(server))
    assert type(caught.value) is DeliveryError


def test_one_refused_recipient_stops_no_other_and_is_named():
    with MailServer() as server:
        server.recipients[BOB] = "550 5.1.1 no such user"
        said = send(channel(server, to=[ANN, BOB]))
        assert server.delivered[0].recipients == [ANN]
    assert said == "250 2.0.0 queued as 4F2 ✗ bob@example.com: 550 5.1.1 no such user"


def test_nobody_left_is_refused_and_later_if_one_may_be_taken_later():
    with MailServer() as server:
        server.recipients = {ANN: "550 no such user", BOB: "451 4.7.1 greylisted, try again later"}
        with pytest.raises(DeliveryError, match="550") as refused:
            send(channel(server))
        with pytest.raises(Retryable, match="451 4"):
            send(channel(server, to=[ANN, BOB]))
    assert not isinstance(refused.value, Retryable)


@pytest.mark.parametrize(("answer", "kind"), [("554 5.7.1 spam", DeliveryError), ("452 no room", Retryable)])
def test_the_answer_to_the_message_decides(answer, kind):
    with MailServer() as server:
        server.data = [answer]
        with pytest.raises(DeliveryError, match=answer) as caught:
            send(channel(server))
    assert type(caught.value) is kind


def test_an_odd_goodbye_does_not_take_the_yes_back():
    with MailServer() as server:
        server.goodbye = "554 what"
        assert send(channel(server)) == "250 2.0.0 queued as 4F2"


def test_a_private_mail_server_needs_to_be_allowed():
    with MailServer() as server:
        with pytest.raises(DeliveryError, match="allow_private"):
            send(channel(server, allow_private=False))
        assert not server.delivered


def test_nobody_there_is_told():
    with closed_port() as port, MailServer() as server, pytest.raises(Retryable, match="cannot be reached"):
        send(channel(server, port=port))


def test_lines_that_begin_with_a_dot_arrive():
    with MailServer() as server:
        note = Notification("k", "a", "r", 2, "firing", "t", ".\n..\n.end")
        with office(channel(server)) as post:
            post.put(note)
            text = server.wait(1)[0].mail.get_body(("plain",)).get_content()
    assert text == "t\n\n.\n..\n.end\n"


def test_a_connection_lost_after_the_message_repeats_it_marked_under_the_same_id():
    with MailServer() as server:
        server.data = ["hang up"]
        with office(channel(server)) as post:
            post.put(Notification("a1.1.mail", "a1", "oom", 3, "firing", "VAEDecode 显存不足", "text"))
            first, second = (one.mail for one in server.wait(2))
    assert first["Message-ID"] == second["Message-ID"]
    assert first["Subject"] == "VAEDecode 显存不足"
    assert second["Subject"] == "[may repeat] VAEDecode 显存不足"


def test_greylisting_is_waited_out():
    with MailServer() as server:
        server.data = ["451 greylisted", "450 still"]
        with office(channel(server)) as post:
            post.put(Notification("a1.1.mail", "a1", "oom", 3, "firing", "title", "text"))
            (mail,) = server.wait(1)
    assert mail.mail["Subject"] == "title", "refused twice, it did not arrive before"
