"""A mail as it is written."""

from __future__ import annotations

from email import message_from_bytes
from email.policy import default

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from safelight.alerts.notification import Notification
from safelight.channels import Mail
from safelight.channels import email as module
from safelight.channels.email import Email
from support.timeline import DAY

FIELDS = {"name": "mail", "host": "smtp.example.com", "from": "值班 <alerts@example.com>", "to": ["ops@example.com"]}
CHANNEL = Email.model_validate(FIELDS)


HEADERS = {
    *("From", "To", "Subject", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted", "Importance"),
    *("MIME-Version", "Content-Type"),
}


def note(number=1, **fields):
    made = {"title": "oom: VAEDecode 显存不足", "text": "第一行\nline <b>2</b>", "severity": 3, "status": "firing"}
    return Notification(key=f"a1.{number}.mail", id="a1", rule="oom", **(made | fields))


def read(**fields):
    written = CHANNEL.written(note(**fields), DAY)
    assert max(map(len, written.split(b"\r\n"))) <= 998
    assert written.isascii()
    return message_from_bytes(written.replace(b"\r\n", b"\n"), policy=default)


def html(**fields):
    return read(**fields).get_body(("html",)).get_content()


def test_the_headers_say_what_and_by_whom():
    mail = read()
    assert mail["Subject"] == "oom: VAEDecode 显存不足"
    assert str(mail["From"]) == "值班 <alerts@example.com>"
    assert str(mail["To"]) == "ops@example.com"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Importance"] == "high"
    assert mail["Date"].datetime == DAY


def test_a_repeat_has_the_same_id_and_one_alert_is_one_thread():
    first, again, over = read(), read(may_repeat=True), read(number=2, status="resolved")
    assert first["Message-ID"] == again["Message-ID"] != over["Message-ID"]
    assert first["References"] == over["References"] == over["In-Reply-To"]
    assert again["Subject"] == "[may repeat] oom: VAEDecode 显存不足"


def test_the_same_note_and_time_give_the_same_bytes():
    assert CHANNEL.written(note(), DAY) == CHANNEL.written(note(), DAY)


@given(st.text(max_size=300))
@settings(max_examples=40, deadline=None)
def test_no_title_makes_a_header_of_its_own(title):
    mail = read(title=title)
    assert set(mail.keys()) == HEADERS
    assert mail["Subject"] == " ".join(str(mail["Subject"]).split())


@pytest.mark.parametrize(
    "title", ["x\r\nBcc: eve@example.com", "x\nBcc: eve@example.com", "x\r Bcc: y", "x\u2028Bcc: y"]
)
def test_line_breaks_in_a_title_stay_in_the_subject(title):
    mail = read(title=title)
    assert mail["Bcc"] is None
    assert mail["Subject"].startswith("x Bcc: ")


def test_what_a_log_says_is_text_in_the_page():
    page = html(title="<script>alert(1)</script>", labels={"node": '"><img src=x onerror=y>'})
    assert "<script>" not in page
    assert "onerror=y&gt;" in page
    assert "<img" not in page
    assert "第一行<br>line &lt;b&gt;2&lt;/b&gt;" in page


def test_links_are_buttons_and_lead_to_http_only():
    links = {"logs": 'https://h.example/logs?a=1&b="2"', "run": "javascript:alert(1)"}
    page = html(links=links)
    assert 'href="https://h.example/logs?a=1&amp;b=&quot;2&quot;"' in page
    assert "javascript:" not in page


def test_facts_are_told_in_the_readers_language():
    page = html(language="zh-CN", started_at="2026-11-22T02:00:00.000000Z", labels={"node": "VAEDecode"})
    assert '<html lang="zh-CN">' in page
    for said in ("严重", "规则", "开始于", "2026-11-22 02:00:00 UTC", "VAEDecode"):
        assert said in page


def test_what_is_over_is_green_and_not_urgent():
    mail = read(status="resolved")
    assert mail["Importance"] is None
    assert module._OVER in mail.get_body(("html",)).get_content()


def test_the_chart_stands_inside_the_page(monkeypatch):
    monkeypatch.setattr(module, "picture", lambda note: b"\x89PNG picture")
    mail = read(chart={"at": [], "value": []})
    assert f'<img src="cid:{module.CHART}"' in mail.get_body(("html",)).get_content()
    (picture,) = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    assert picture["Content-ID"] == f"<{module.CHART}>"
    assert picture.get_content_disposition() == "inline"
    assert picture.get_content() == b"\x89PNG picture"
    assert mail.get_body(("plain",)).get_content().startswith("oom: VAEDecode")


@pytest.mark.parametrize(("security", "port"), [("starttls", 587), ("tls", 465), ("none", 25)])
def test_the_port_goes_with_the_encryption(security, port):
    step = next(Email.model_validate(FIELDS | {"security": security}).conversation(note(), DAY))
    assert isinstance(step, Mail)
    assert (step.port, step.sender, step.recipients) == (port, "alerts@example.com", ("ops@example.com",))


def test_the_password_is_in_no_repr():
    channel = Email.model_validate(FIELDS | {"user": "ann", "password": "hunter22"})
    assert "hunter22" not in f"{channel!r} {next(channel.conversation(note(), DAY))!r}"


def test_a_prefix_stands_before_every_subject():
    channel = Email.model_validate(FIELDS | {"subject_prefix": "[gpu-1]"})
    assert b"Subject: [gpu-1] oom" in channel.written(note(), DAY)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ops",
        "ops@",
        "a@b>\r\nBcc: c@d",
        "运维@example.com",
        "a@b, c@d",
        "a b@c",
        "a@b.c <d@e.f>",
        "[x] <a@b.c>",
        "a (b <c@d.e>",
    ],
)
def test_what_is_no_address_is_refused_by_name(address):
    with pytest.raises(ValidationError, match="is not a mail address"):
        Email.model_validate(FIELDS | {"to": [address]})


@pytest.mark.parametrize("wrong", [{"to": []}, {"proxy": "http://127.0.0.1:3128"}, {"security": "ssl"}, {"port": 0}])
def test_other_mistakes_are_refused(wrong):
    with pytest.raises(ValidationError):
        Email.model_validate(FIELDS | wrong)
