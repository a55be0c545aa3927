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
from safelight.alerts.content import (
    ALERTS_MAX,
    DETAILED_MAX,
    NAMED_MAX,
    TEXT_MAX,
    TITLE_MAX,
    compose,
    cut,
    describe,
    shown,
    summary,
)
from safelight.alerts.group import Message
from safelight.hostzone import HostZone
from safelight.locales import LANGUAGES, text
from support.timeline import DAY, rule

OOM = rule("my-oom", "any error_group:gpu_oom*", advice="out_of_memory")
GPU_OOM = f"{text('failure.gpu_oom.cause')} {text('failure.gpu_oom.advice')}"


def alert(of=OOM, labels=None, count=1, ends_by_quiet=True, value=None, **event):
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
        ends_by_quiet=ends_by_quiet,
        events=[event],
        value=value,
    )


def told(*alerts, status="firing", language="en", zone=UTC, base_url=None, of=OOM, **options):
    message = Message("k.1", "g", status, alerts)
    rules = {each.id: each for each in (of if isinstance(of, list) else [of])}
    return compose(message, rules, language=language, zone=zone, base_url=base_url, channel="team", **options)


def test_it_reads_well_in_english():
    note = told(
        alert(count=41, workflow_id="wf-1", workflow_name="cats", host="box", vram_used_mb=10897.0, ram_used_mb=812.4)
    )
    assert note.title == "my-oom: VAEDecode: OutOfMemoryError: CUDA out of memory · comfyui"
    assert note.text.splitlines() == [
        "OutOfMemoryError: CUDA out of memory",
        "Where: service comfyui, host box, node VAEDecode, run cats (wf-1)",
        "41 times since 2026-11-22 00:00:00 UTC, last at 2026-11-22 00:04:00 UTC",
        "Memory: GPU 10.6 GB in use, RAM 812 MB in use",
        f"Advice: {GPU_OOM}",
        "Why: rule my-oom (any error_group:gpu_oom*)",
    ]
    assert note.advice == GPU_OOM


def test_it_reads_well_in_chinese():
    note = told(alert(count=3), language="zh-CN", zone=ZoneInfo("Asia/Shanghai"))
    assert note.title == "my-oom：VAEDecode: OutOfMemoryError: CUDA out of memory · comfyui"
    assert "位置：服务 comfyui，节点 VAEDecode" in note.text
    assert "自 2026-11-22 08:00:00 CST (UTC+08:00) 起共 3 次" in note.text
    said = text("failure.gpu_oom.cause", "zh-CN") + text("failure.gpu_oom.advice", "zh-CN")
    assert f"建议：{said}" in note.text
    assert note.language == "zh-CN"


def test_a_known_failure_is_called_by_its_name_in_the_readers_language():
    known = alert(labels={"service": "comfyui", "node": "VAEDecode", "error_group": "gpu_oom:VAEDecode"})
    for language in LANGUAGES:
        assert f"VAEDecode: {text('failure.gpu_oom.title', language)}" in told(known, language=language).title


def test_a_rule_with_a_name_for_one_family_does_not_say_it_twice():
    mine = rule("oom", "any error_group:gpu_oom*", title="No memory left")
    labels = {"service": "comfyui", "node": "VAEDecode", "error_group": "gpu_oom:VAEDecode"}
    assert told(alert(mine, labels), of=mine).title == "No memory left: VAEDecode · comfyui"


def test_advice_comes_from_what_is_known_of_the_failure_unless_the_rule_has_its_own():
    labels = {"service": "comfyui", "error_group": "missing_model:sd15.safetensors"}
    plain, own = rule("r", "any level:ERROR"), rule("r", "any level:ERROR", advice="Call Ann")
    assert told(alert(plain, labels), of=plain).advice.endswith(text("failure.missing_model.advice"))
    assert told(alert(plain, labels), of=plain).advice.startswith(text("failure.missing_model.cause"))
    assert told(alert(own, labels), of=own).advice == "Call Ann"
    named = rule("r", "any level:ERROR", advice="disk_full")
    assert told(alert(named, labels), of=named).advice.endswith(text("failure.disk_full.advice"))
    memory = rule("r", "any level:ERROR", advice="out_of_memory")
    of_host = alert(memory, {"error_group": "host_ram_oom"})
    assert told(of_host, of=memory).advice.endswith(text("failure.host_ram_oom.advice"))
    assert told(alert(plain, {"error_group": "nobody_knows:x"}), of=plain).advice == ""


def test_what_is_urgent_says_so_and_what_is_only_kept_is_short():
    urgent, kept = rule("r", "any level:ERROR", severity=3), rule("r", "any level:ERROR", severity=1)
    assert told(alert(urgent), of=urgent).title.startswith("Urgent: r: ")
    assert told(alert(urgent), of=urgent, language="zh-CN").title.startswith("紧急：r：")
    assert not told(alert(urgent), of=urgent, status="resolved").title.startswith("Urgent")
    assert "line 7" not in told(alert(kept, traceback='File "x.py", line 7'), of=kept).text


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
    window = rule("few", "fewer than 10 event:image_processed over 1d")
    note = told(alert(window, {}, 3, ends_by_quiet=False), of=window)
    assert note.title.endswith(": 3 in 1d")
    assert "Counted: 3" in note.text
    assert "fewer than 10 event:image_processed over 1d" in note.text


def test_a_title_and_advice_of_ones_own_are_used():
    mine = rule("my-oom", "any level:ERROR", title="Here it is again", advice="Call Ann")
    note = told(alert(), of=mine)
    assert note.title.startswith("Here it is again: VAEDecode")
    assert "Advice: Call Ann" in note.text


def test_many_alerts_are_told_in_part_named_and_counted():
    alerts = [alert(labels={"service": "comfyui", "node": f"Node{n}"}) for n in range(NAMED_MAX + 7)]
    note = told(*alerts)
    assert note.title == f"my-oom: {NAMED_MAX + 7} alerts · comfyui"
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
    assert note.title == "Resolved: my-oom: 2 alerts · comfyui"
    assert note.text == "42 times, from 2026-11-22 00:00:00 UTC until 2026-11-22 00:04:00 UTC"
    assert told(alert(), status="resolved").text == "Once, at 2026-11-22 00:00:00 UTC"


def test_a_window_that_is_over_says_from_when_until_when():
    window = rule("stalled", "fewer than 10 event:image_processed over 1d")
    over = alert(window, {}, 3, ends_by_quiet=False).resolved(DAY + timedelta(hours=2))
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


def test_links_lead_to_the_run_however_it_is_named_to_its_lines_and_to_the_alert():
    of = alert(workflow_id='a"b\\c&d=e')
    assert told(of, base_url="https://s.example/base/").links == {
        "run": "https://s.example/base/runs/a%22b%5Cc%26d%3De",
        "logs": "https://s.example/base/logs?q=workflow_id%3A%22a%5C%22b%5C%5Cc%26d%3De%22",
        "alert": f"https://s.example/base/alerts/{of.id}",
    }
    assert told(alert(), base_url="https://s.example").links["logs"] == (
        "https://s.example/logs?q=error_group%3Agpu_oom%2A"
    )
    assert told(alert()).links == {}


def test_links_that_do_something_are_signed_for_these_alerts_and_this_run():
    def sign(action, subject):
        return f"{action}={subject}"

    one, two = alert(workflow_id="wf-1", event="node_failed"), alert()
    links = told(one, two, base_url="https://s.example", sign=sign).links
    assert links["silence"] == f"https://s.example/act/silence={one.id},{two.id}"
    assert links["acknowledge"] == f"https://s.example/act/acknowledge={one.id},{two.id}"
    assert links["replay"] == "https://s.example/act/replay=wf-1"
    assert links["alert"] == "https://s.example/alerts"
    assert "replay" not in told(alert(workflow_id="wf-1", event="log"), base_url="https://s.example", sign=sign).links
    assert set(told(one, status="resolved", base_url="https://s.example", sign=sign).links) == {"run", "logs", "alert"}
    many = [alert() for _ in range(9)]
    assert "acknowledge" not in told(*many, base_url="https://s.example", sign=sign).links


def test_every_alert_of_the_message_is_listed_up_to_a_limit():
    alerts = [alert(labels={"service": "comfyui", "node": f"N{n}"}) for n in range(ALERTS_MAX + 5)]
    note = told(*alerts)
    assert len(note.alerts) == ALERTS_MAX
    assert note.alerts[7]["id"] == alerts[7].id
    assert note.alerts[7]["title"] == "N7: OutOfMemoryError: CUDA out of memory"
    assert set(note.alerts[0]) == {
        *("id", "rule", "severity", "status", "title", "labels", "count", "started_at", "ended_at")
    }


def test_alerts_of_several_rules_are_told_by_rule():
    other = rule("disk", "any error_group:disk_full*", title="Disk is full")
    note = told(alert(), alert(other, {"service": "comfyui"}, error_message="No space left"), of=[OOM, other])
    assert note.title == "2 alerts of 2 rules · comfyui"
    assert "my-oom\nOutOfMemoryError: CUDA out of memory" in note.text
    assert "Disk is full\nOutOfMemoryError: No space left" in note.text
    assert "Why: rule my-oom (any error_group:gpu_oom*)\nWhy: rule disk (any error_group:disk_full*)" in note.text


def test_a_rule_that_is_gone_is_called_by_its_id():
    assert told(alert(), of=[]).title.startswith("my-oom: VAEDecode")


def test_a_template_of_the_rule_takes_the_place_of_the_text():
    mine = rule("r", "any level:ERROR", text="{{ labels.node }} {{ count }}x {{ status }}\n{{ text }}")
    note = told(alert(mine, count=3), of=mine)
    assert note.text.startswith("VAEDecode 3x firing\nOutOfMemoryError: CUDA out of memory")
    assert note.title.startswith("r: VAEDecode")


def test_a_template_that_breaks_costs_its_words_never_the_alert():
    mine = rule("r", "any level:ERROR", text="fine\n{{ count / 0 }}")
    plain = rule("r", "any level:ERROR")
    said = told(alert(mine), of=mine).text
    assert said.startswith(told(alert(plain), of=plain).text)
    *_, last = said.splitlines()
    assert last.startswith("The rule's own text could not be used: Line 2 of the template")


def test_a_template_cannot_bring_back_what_was_removed():
    mine = rule("r", "any level:ERROR", text="{{ events[0].error_message }}\u202e\x1b[31m\r\nend")
    said = told(alert(mine, error_message="open /home/ann/x\u202e"), of=mine).text
    assert "/home/ann" not in said
    assert "\u202e" not in said
    assert "\x1b" not in said
    assert "\r" not in said
    assert said.endswith("\nend")


def test_many_waiting_messages_become_one():
    notes = [told(alert(labels={"service": "s", "node": f"N{n}"})) for n in range(3)]
    over = told(alert(), status="resolved")
    one = summary([*notes, over], "en")
    assert one.title == "4 messages in one: 3 of alerts, 1 resolved"
    assert one.text.splitlines()[1] == "• my-oom: N0: OutOfMemoryError: CUDA out of memory · s"
    assert one.text.splitlines()[-1].startswith("• Resolved: my-oom")
    assert one.status == "firing"
    assert len(one.alerts) == 4
    assert one.count == sum(note.count for note in [*notes, over])
    assert one.key == summary([*notes, over], "en").key != summary(notes, "en").key
    assert summary([over, over], "zh-CN").status == "resolved"
    assert summary(notes[:1], "en") == notes[0]


def test_a_storm_of_messages_fits_into_one():
    one = summary([told(alert(labels={"node": f"N{n}"})) for n in range(300)], "zh-CN")
    assert len(one.title) <= TITLE_MAX
    assert len(one.text.splitlines()) < 30
    assert "还有 280 条" in one.text


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


def test_a_traceback_of_a_megabyte_costs_no_more_than_its_end():
    huge = (
        "".join(f'  File "/home/ann/x{n}.py", line {n}\n' for n in range(30_000))
        + "Boom: sk-abcdefghijklmnopqrstuvwxyz1"
    )
    note = told(alert(traceback=huge, error_message="M" * 1_000_000))
    assert len(note.text) <= TEXT_MAX
    assert "/home/ann" not in note.to_json()
    assert "sk-abcdefghij" not in note.to_json()
    assert "line 29999" in note.text
    assert len(note.to_json()) < 60_000


def test_a_key_at_the_edge_of_what_is_read_does_not_stay_in_half():
    note = told(alert(error_message="x" * (8_000 - 25) + " sk-abcdefghijklmnopqrstuvwxyz123456"))
    assert "sk-abc" not in note.to_json()


def test_markup_and_line_breaks_of_windows_stay_text():
    note = told(alert(error_message="<b>bold</b> [x](http://evil)\r\nsecond", labels={"node": "<i>"}))
    assert note.title == "my-oom: <i>: OutOfMemoryError: <b>bold</b> [x](http://evil)"
    assert "\r" not in note.text
    assert "\nsecond" in note.text
