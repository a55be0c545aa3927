"""A webhook of one's own."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace

import pytest
from pydantic import ValidationError

from safelight.alerts import template as written
from safelight.alerts.notification import Notification
from safelight.channels.webhook import Webhook
from support.timeline import DAY

NOTE = Notification(
    "a1.1.hook",
    "a1",
    "oom",
    3,
    "firing",
    "oom: VAEDecode",
    "显存不足",
    labels={"node": "VAEDecode"},
    started_at="2026-11-22T02:00:00.000000Z",
)
HOOK = Webhook(name="hook", url="https://alerts.example.com/x?key=abcdefgh", secret="s3cr3t-s3cr3t")


def test_the_body_is_the_contract():
    request = HOOK.request(NOTE, DAY)
    assert json.loads(request.content) == {
        "id": "a1",
        "rule": "oom",
        "severity": 3,
        "status": "firing",
        "title": "oom: VAEDecode",
        "text": "显存不足",
        "labels": {"node": "VAEDecode"},
        "count": 1,
        "started_at": "2026-11-22T02:00:00.000000Z",
        "ended_at": None,
        "events": [],
        "alerts": [],
        "advice": "",
        "links": {},
        "may_repeat": False,
    }
    assert request.method == "POST"
    assert request.headers["Content-Type"] == "application/json; charset=utf-8"
    assert request.headers["Idempotency-Key"] == "a1.1.hook"


def test_the_signature_is_of_the_body_as_sent():
    request = HOOK.request(NOTE.in_doubt(), DAY)
    expected = hmac.new(b"s3cr3t-s3cr3t", request.content, hashlib.sha256).hexdigest()
    assert request.headers["X-Safelight-Signature"] == f"sha256={expected}"
    assert json.loads(request.content)["may_repeat"] is True


def test_without_a_secret_nothing_is_signed():
    assert "X-Safelight-Signature" not in Webhook(name="hook", url="https://h.example/").request(NOTE, DAY).headers


def test_headers_of_ones_own_are_sent_and_secret():
    hook = Webhook(name="hook", url="https://h.example/", headers={"Authorization": "Bearer s3cr3t-s3cr3t"})
    assert hook.request(NOTE, DAY).headers["Authorization"] == "Bearer s3cr3t-s3cr3t"
    assert "s3cr3t" not in f"{hook!r} {hook.model_dump_json()}"
    assert hook.masked("you said Bearer s3cr3t-s3cr3t") == "you said ***"


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "x"},
        {"content-length": "1"},
        {"X-Safelight-Signature": "x"},
        {"a b": "x"},
        {"a": "x\r\nb: y"},
        {"a": "ü"},
    ],
)
def test_headers_that_cannot_be_are_refused(headers):
    with pytest.raises(ValidationError, match="cannot be a header"):
        Webhook(name="hook", url="https://h.example/", headers=headers)


def templated(template, note=NOTE):
    return Webhook(name="hook", url="https://h.example/", secret="s3cr3t", template=template).request(note, DAY)


def test_a_template_makes_the_body():
    request = templated('{"text": {{ (title ~ " " ~ labels.node) | tojson }}, "n": {{ severity }}}')
    assert json.loads(request.content) == {"text": "oom: VAEDecode VAEDecode", "n": 3}
    assert request.headers["Content-Type"] == "application/json; charset=utf-8"
    signature = hmac.new(b"s3cr3t", request.content, hashlib.sha256).hexdigest()
    assert request.headers["X-Safelight-Signature"] == f"sha256={signature}"


def test_a_template_that_makes_no_json_makes_text():
    request = templated("{{ title }} · {{ text }}")
    assert request.content.decode() == "oom: VAEDecode · 显存不足"
    assert request.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize(
    "template",
    ["{{ 1 / 0 }}", "{{ labels.update({}) }}", "{{ 'x' * 2000000 }}"],
)
def test_a_template_that_fails_sends_the_usual_body_and_says_so(template):
    body = json.loads(templated(template).content)
    assert body["id"] == "a1"
    assert body["template_error"]


def test_a_template_that_cannot_be_understood_is_a_mistake_with_its_line():
    with pytest.raises(ValidationError, match="Line 2"):
        templated("{\n{{ title }")


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ nothing }}", "uses `nothing`"),
        (3 * "{% for a in text %}" + 3 * "{% endfor %}", "for"),
    ],
)
def test_a_template_that_could_never_work_is_a_mistake(template, said):
    with pytest.raises(ValidationError, match=said):
        templated(template)


def test_secrets_are_in_no_repr_and_in_no_error():
    said = f"{HOOK!r} {HOOK} {HOOK.model_dump()} {HOOK.model_dump_json()}"
    assert "abcdefgh" not in said
    assert "s3cr3t" not in said
    with pytest.raises(ValidationError) as caught:
        Webhook(name="hook", url="ftp://alerts.example.com/?key=abcdefgh")
    assert "abcdefgh" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "alerts.example.com", "ftp://x/", "http://", "file:///etc/passwd"])
def test_only_http_urls_are_taken(url):
    with pytest.raises(ValidationError):
        Webhook(name="hook", url=url)


def test_what_a_peer_echoes_is_masked():
    said = HOOK.masked("no such key abcdefgh at https://alerts.example.com/x?key=abcdefgh for s3cr3t-s3cr3t")
    assert said == "no such key *** at *** for ***"


@pytest.mark.parametrize("wrong", [{"name": ""}, {"name": "a b"}, {"severity": 0}, {"language": "fr"}, {"colour": 1}])
def test_other_mistakes_are_refused(wrong):
    with pytest.raises(ValidationError):
        Webhook.model_validate({"name": "hook", "url": "https://h.example/", **wrong})


def test_a_template_that_says_nothing_or_looks_inside_python_sends_the_usual_body():
    for nothing in ("{# nothing #}", "{{ ().__class__.__mro__[0] }}"):
        assert json.loads(templated(nothing).content)["id"] == "a1"


def test_a_template_that_writes_for_ever_costs_itself_and_not_the_message(monkeypatch):
    monkeypatch.setattr(written, "TIME_MAX_S", 0.05)
    endless = "{% for a in text %}{% for b in text %}{{ a }}{% endfor %}{% endfor %}"
    note = replace(NOTE, text="x" * 16_000)
    body = json.loads(templated(endless, note).content)
    assert "longer than 0.05 s" in body["template_error"]
    assert body["title"]


def test_a_template_that_writes_much_is_not_cut_but_left_out():
    endless = "{% for a in text %}{{ text }}{% endfor %}"
    body = json.loads(templated(endless, replace(NOTE, text="x" * 16_000)).content)
    assert "more than 1,000,000 characters" in body["template_error"]
