"""What a message says, and what it must not."""

from __future__ import annotations

import time
import unicodedata
from datetime import UTC, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.alerts.alert import opened
from safelight.alerts.content import DETAILED_MAX, NAMED_MAX, TITLE_MAX, compose, cut, describe, shown
from safelight.alerts.group import Message
from safelight.hostzone import HostZone
from safelight.locales import LANGUAGES, text
from support.timeline import DAY, rule

OOM = rule("oom", "any error_group:gpu_oom*", severity=3, advice="out_of_memory")


def alert(of=OOM, labels=None, count=1, **event):
    labels = {"service": "comfyui", "node": "VAEDecode"} if labels is None else labels
    event = {"id": "e1", "error_type": "OutOfMemoryError", "error_message": "CUDA out of memory", **event}
    return opened(
        of,
        labels,
        count=count,
        started_at=DAY,
        last_at=DAY + timedelta(minutes=4),
        now=DAY,
        told_before=None,
        ends_by_quiet=True,
        events=[event],
    )


def told(*alerts, status="firing", language="en", zone=UTC, base_url=None, of=OOM):
    message = Message("k.1", "g", status, alerts)
    return compose(message, {of.id: of}, language=language, zone=zone, base_url=base_url, channel="team")


def test_it_reads_well_in_english():
    note = told(alert(count=41, workflow_id="wf-1", host="box", vram_used_mb=10897.0, vram_peak_mb=11200.4))
    assert note.title == "oom: VAEDecode: OutOfMemoryError: CUDA out of memory"
    assert note.text.splitlines() == [
        "OutOfMemoryError: CUDA out of memory",
        "Where: service comfyui, host box, node VAEDecode, run wf-1",
        "41 times since 2026-11-22 00:00:00 UTC, last at 2026-11-22 00:04:00 UTC",
        "Memory: GPU 10,897 MB in use, GPU peak 11,200 MB",
        f"Advice: {text('alerts.advice.out_of_memory')}",
        "Why: rule oom (any error_group:gpu_oom*)",
    ]


def test_it_reads_well_in_chinese():
    note = told(alert(count=3), language="zh-CN", zone=ZoneInfo("Asia/Shanghai"))
    assert note.title == "oom：VAEDecode: OutOfMemoryError: CUDA out of memory"
    assert "位置：服务 comfyui，节点 VAEDecode" in note.text
    assert "自 2026-11-22 08:00:00 CST (UTC+08:00) 起共 3 次" in note.text
    assert note.language == "zh-CN"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("status", ["firing", "resolved"])
def test_every_kind_of_message_has_words_in_every_language(language, status):
    window = rule("stalled", "fewer than 10 event:image_processed over 1d")
    for note in (
        told(alert(), status=status, language=language),
        told(*[alert() for _ in range(30)], status=status, language=language),
        told(alert(window, {}, 3), status=status, language=language, of=window),
        told(alert(labels={}, error_type=None, error_message=None), status=status, language=language),
    ):
        assert note.title
        assert note.text
        assert "{" not in note.title + note.text


def test_a_window_says_what_was_counted():
    window = rule("stalled", "fewer than 10 event:image_processed over 1d")
    note = told(alert(window, {}, 3), of=window)
    assert note.title == "stalled: 3 in 1d"
    assert "Counted: 3" in note.text
    assert "fewer than 10 event:image_processed over 1d" in note.text


def test_a_title_and_advice_of_ones_own_are_used():
    mine = rule("oom", "any level:ERROR", title="Out of memory again", advice="Call Ann")
    note = told(alert(), of=mine)
    assert note.title.startswith("Out of memory again: VAEDecode")
    assert "Advice: Call Ann" in note.text


def test_many_alerts_are_told_in_part_named_and_counted():
    alerts = [alert(labels={"service": "comfyui", "node": f"Node{n}"}) for n in range(NAMED_MAX + 7)]
    note = told(*alerts)
    assert note.title == f"oom: {NAMED_MAX + 7} alerts · comfyui"
    assert note.text.count("Where:") == DETAILED_MAX
    assert f"Node{NAMED_MAX - 1}:" in note.text
    assert f"Node{NAMED_MAX}:" not in note.text
    assert "… and 7 more" in note.text
    assert note.count == NAMED_MAX + 7


def test_the_end_of_a_traceback_is_shown():
    traceback = "\n".join(
        ["Traceback (most recent call last):", *(f'  File "x.py", line {n}' for n in range(50)), "Boom: bad"]
    )
    said = told(alert(traceback=traceback)).text
    assert "Boom: bad" in said
    assert "line 49" in said
    assert "line 40" not in said


def test_lines_that_only_underline_are_left_out_of_a_traceback():
    traceback = "\n".join(
        line
        for number in range(6)
        for line in (f'  File "x.py", line {number}, in f', f"    call_{number}(a + b)", "       ~~^~~", "   ^^^^")
    )
    said = told(alert(traceback=traceback + "\nBoom: bad")).text
    assert "^" not in said
    assert "~" not in said
    assert "call_3(a + b)" in said
    assert "Boom: bad" in said


def test_where_no_node_is_known_its_function_and_pack_are_named():
    event = {"attributes": {"node_function": "nodes.py:upscale", "node_pack": "SuperPack", "other": 1}}
    assert "Where: service comfyui, function nodes.py:upscale, node pack SuperPack\n" in (
        told(alert(labels={"service": "comfyui"}, node=None, **event)).text
    )
    assert "Where: service comfyui, node VAEDecode\n" in told(alert(**event)).text
    assert "Where: service comfyui\n" in told(alert(labels={"service": "comfyui"}, attributes={})).text


def test_that_it_is_over_is_said_shortly():
    many = [alert(count=count, traceback="Boom", host="box") for count in (40, 2)]
    note = told(*many, status="resolved")
    assert note.title == "Resolved: oom: 2 alerts · comfyui"
    assert note.text == "42 times, from 2026-11-22 00:00:00 UTC until 2026-11-22 00:04:00 UTC"
    assert told(alert(), status="resolved").text == "Once, at 2026-11-22 00:00:00 UTC"


def test_a_window_that_is_over_says_from_when_until_when():
    window = rule("stalled", "fewer than 10 event:image_processed over 1d")
    over = alert(window, {}, 3).resolved(DAY + timedelta(hours=2))
    note = told(over, status="resolved", of=window)
    assert note.text == "From 2026-11-22 00:00:00 UTC until 2026-11-22 02:00:00 UTC"


def test_the_page_keeps_the_whole_story_of_what_is_over():
    over = alert(host="box").resolved(DAY + timedelta(hours=2))
    _, said = describe(over, OOM, language="en", zone=UTC)
    assert "host box" in said
    assert text("alerts.resolved") in said


@pytest.mark.parametrize(
    ("zone", "written"),
    [
        (UTC, "00:00:00 UTC"),
        (ZoneInfo("Europe/Berlin"), "01:00:00 CET (UTC+01:00)"),
        (ZoneInfo("America/Chicago"), "18:00:00 CST (UTC-06:00)"),
        (ZoneInfo("Asia/Singapore"), "08:00:00 UTC+08:00"),
        (ZoneInfo("Europe/London"), "00:00:00 GMT (UTC)"),
        (timezone(timedelta(hours=5, minutes=30)), "05:30:00 UTC+05:30"),
    ],
)
def test_times_carry_the_name_of_their_zone(zone, written):
    assert f"{written}\n" in told(alert(), zone=zone).text


def test_the_zone_of_this_machine_is_named(monkeypatch):
    monkeypatch.setenv("TZ", "XYZ-3")
    time.tzset()
    try:
        said = told(alert(), zone=HostZone()).text
    finally:
        monkeypatch.undo()
        time.tzset()
    assert "03:00:00 XYZ (UTC+03:00)" in said


def test_the_link_leads_to_the_run_however_it_is_named():
    links = told(alert(workflow_id='a"b\\c&d=e'), base_url="https://s.example/base/").links
    assert links == {"logs": "https://s.example/base/logs?q=workflow_id%3A%22a%5C%22b%5C%5Cc%26d%3De%22"}
    assert told(alert(), base_url="https://s.example").links == {
        "logs": "https://s.example/logs?q=error_group%3Agpu_oom%2A"
    }
    assert told(alert()).links == {}


PRIVATE = {
    "error_message": "cannot open /home/ann/models/x.ckpt on 192.168.1.17 with sk-abcdefghijklmnopqrstuvwxyz123456",
    "traceback": 'File "C:\\Users\\ann\\app.py"\n  File "/home/ann/app.py"',
    "attributes": {"path": "/home/ann/out", "peer": ["10.0.0.7"]},
}


def test_nothing_private_leaves_in_text_events_or_labels():
    note = told(alert(labels={"service": "comfyui", "node": "/home/ann/node"}, **PRIVATE))
    said = note.to_json()
    for private in ("/home/ann", "Users\\\\ann", "192.168.1.17", "10.0.0.7", "sk-abcdefghijklmnop"):
        assert private not in said


def test_what_moves_a_cursor_or_turns_text_around_is_gone():
    hostile = "a\x1b[31mred\x07\r\u202egpj.exe\u2066\u200f\ufeff\u2028b\x00"
    assert shown(hostile) == "a[31mredgpj.exeb"
    note = told(alert(error_message=hostile, labels={"service": hostile}))
    assert not any(unicodedata.category(letter) == "Cc" for letter in note.title)
    assert not any(unicodedata.category(letter) in {"Cc", "Zl"} and letter != "\n" for letter in note.text)


def test_emoji_and_chinese_stay_whole():
    assert shown("显存不足 👩‍🎨 é") == "显存不足 👩‍🎨 é"


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_event_makes_a_message_that_can_be_sent(message, node):
    note = told(alert(error_message=message, traceback=message, labels={"service": node, "node": node}))
    assert len(note.title) <= TITLE_MAX
    assert "\n" not in note.title
    note.to_json().encode()


def test_cut_says_that_something_is_missing():
    assert cut("abcdef", 6) == "abcdef"
    assert cut("abcdefg", 6) == "abcde…"
