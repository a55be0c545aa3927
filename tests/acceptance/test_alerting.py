"""Nights of alerting as people live them: a real server, a log that a service writes, and the phones that ring.

Providers stand on loopback and check what the real ones check. Order and content are asserted tightly, times loosely.
"""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
import threading
from datetime import UTC, datetime, timedelta

import pytest

from support.alerting import (
    PATIENCE_S,
    Log,
    addresses,
    ago,
    alert,
    alerts,
    ask,
    channel,
    eventually,
    failed,
    rule,
    said,
)
from support.mail import MailServer
from support.providers import Answer, DingTalk, Feishu, Provider, WeCom
from support.running import cli, running

ALONE = "[alerts]\ndefault_rules = false\n"
CHINESE = 'language = "zh-CN"\n'
RESET = "[alerts]\n"
NODES = ["Arrived", "InFlight", "Meanwhile"]


@pytest.fixture
def log(tmp_path):
    return Log(tmp_path / "service.log", service="comfyui", instance="gpu-1")


def mailing(server, **fields):
    more = {"port": server.port, "security": "none", "to": ["owner@example.com"], "from": "safelight@example.com"}
    fields = {"type": "email", "name": "mail", "host": "127.0.0.1", "allow_private": True, **more, **fields}
    return "[[channels]]\n" + "".join(f'"{name}" = {json.dumps(value)}\n' for name, value in fields.items())


def webhook(hook):
    return channel("webhook", "hook", hook.url)


def rules_told(hook):
    return [(request.json["rule"], request.json["status"]) for request in hook.accepted()]


def heard(provider, words, count=1):
    """The messages, once so many of them hold these words."""

    def check():
        found = [message for message in said(provider) if words in message]
        return found if len(found) >= count else None

    return eventually(check, f"{count} messages with {words!r}")


OOM = failed(
    "VAEDecode",
    message="VAEDecode failed: CUDA out of memory. Tried to allocate 2.00 GiB",
    error_type="torch.OutOfMemoryError",
    error_message="CUDA out of memory. Tried to allocate 2.00 GiB",
    workflow_name="portrait.json",
    gpu_used_mb=23552,
    gpu_free_mb=412,
)


def test_a_failed_node_is_told_everywhere_with_node_error_run_advice_and_links(tmp_path, log):
    with DingTalk(secret="SEC1") as ding, WeCom() as wecom, Feishu(secret="SEC2") as feishu, Provider() as hook:
        phones = (ding, wecom, feishu, hook)
        channels = (
            channel("dingtalk", "ding", "env:DING_URL", secret="env:DING_SECRET"),
            channel("wecom", "wecom", wecom.url),
            channel("feishu", "feishu", feishu.url, secret="SEC2"),
            channel("webhook", "hook", hook.url, language="en"),
        )
        secrets = {"DING_URL": ding.url, "DING_SECRET": "SEC1"}
        with running(tmp_path, CHINESE + log.source + "".join(channels), **secrets) as server:
            log.write({"message": "loading portrait.json", "workflow_id": "run-1"}, OOM)
            for phone in phones:
                phone.wait(1, PATIENCE_S)
            server.until("event:notification_sent", 4)
            told = alert(server, "oom")
            led = {address for phone in phones for address in addresses(phone)}
            followed = {link: ask(server, "GET", link) for link in led if link.startswith(server.url)}
        written = (server.data / "alerts.log").read_text() + (tmp_path / "server.log").read_text()
    for phone in phones:
        (message,) = said(phone)
        assert message.index("VAEDecode") < message.index("Tried to allocate 2.00 GiB")
        for words in ("gpu-1", "portrait.json", "run-1", "loading portrait.json"):
            assert words in message
    for phone in (ding, wecom, feishu):
        assert "紧急：显存不足：VAEDecode · gpu-1" in said(phone)[0].splitlines()[0]
        assert "降低分辨率或批量" in said(phone)[0]
    assert said(hook)[0].startswith("Urgent: Out of GPU memory: VAEDecode · gpu-1\n")
    assert "Lower the resolution or the batch" in said(hook)[0]
    assert {status for status, _ in followed.values()} == {
        200,
        409,
    }  # 409: a run without a prompt cannot be submitted again
    assert sum("/act/" in link for link in followed) >= 2
    assert any(link.endswith("/runs/run-1") for link in followed)
    assert [note["status"] for note in told["notifications"]] == ["sent"] * 4
    assert "SEC1" not in written
    assert "SEC2" not in written


def test_a_storm_is_a_handful_of_messages_and_a_count(tmp_path, log):
    with Provider() as hook, running(tmp_path, log.source + webhook(hook)) as server:
        log.write(failed("KSampler"))
        hook.wait(1, PATIENCE_S)
        others = ("LoraLoader", "VAEEncode", "ImageScale")
        log.write(*(failed(node, run=f"run-{number}") for number in range(2, 7) for node in others))
        log.write(*(failed("KSampler", run=f"run-{number}") for number in range(7, 492)))
        server.until("event:node_failed", 501, within_s=60)
        hook.wait(3, PATIENCE_S)
        first = alert(server, "any-error", lambda one: one["labels"].get("node") == "KSampler" and one["count"] == 486)
        (several,) = heard(hook, "LoraLoader")
        log.write({"event": "node_failed", "level": "ERROR", "message": "CUDA out of memory", "node": "VAEDecode"})
        heard(hook, "VAEDecode")
        told = rules_told(hook)
    assert sorted(told) == [
        ("any-error", "firing"),
        ("any-error", "firing"),
        ("error-rate", "firing"),
        ("oom", "firing"),
    ]
    assert told[0] == ("any-error", "firing")
    assert all(node in several for node in others)
    assert "KSampler" not in several
    assert len(first["notifications"]) == 1


def test_what_goes_on_is_told_again_with_its_count_and_then_that_it_is_over(tmp_path, log):
    own = rule("broken", "any event:node_failed", severity=3, repeat="5s", resolve_after="15s")
    with Provider() as hook, running(tmp_path, ALONE + log.source + own + webhook(hook)) as server:
        log.write(failed())
        hook.wait(1, PATIENCE_S)
        log.write(*(failed(run=f"run-{number}") for number in range(40)))
        first, again, over, *_ = [request.json for request in hook.wait(3, PATIENCE_S)]
        told = alert(server, "broken", lambda one: one["status"] == "resolved")
        sent = server.until("event:notification_sent", 3)
    assert [one["status"] for one in (first, again, over)] == ["firing", "firing", "resolved"]
    assert [one["count"] for one in (first, again, over)] == [1, 41, 41]
    assert "41 times since" in again["text"]
    assert len({one["id"] for one in (first, again, over)}) == 1
    assert told["ended_at"] >= told["last_at"]
    times = sorted(datetime.fromisoformat(event["timestamp"]) for event in sent)
    assert times[1] - datetime.fromisoformat(told["started_at"]) >= timedelta(seconds=5)
    assert times[2] - datetime.fromisoformat(told["last_at"]) >= timedelta(seconds=15)


def test_a_warning_is_kept_an_error_is_for_the_team_and_out_of_memory_for_everybody(tmp_path, log):
    with Provider() as team, Provider() as archive, MailServer() as post:
        config = (
            log.source
            + channel("webhook", "team", team.url)
            + channel("webhook", "archive", archive.url, severity=1)
            + mailing(post, severity=3)
        )
        with running(tmp_path, config) as server:
            log.write({"level": "WARNING", "message": "cache miss"})
            server.until('"cache miss"')
            log.write(failed("KSampler"))
            team.wait(1, PATIENCE_S)
            log.write(OOM)
            (mail,) = post.wait(1)
            team.wait(2, PATIENCE_S)
            server.until("event:notification_sent", 5)
    assert rules_told(team) == [("any-error", "firing"), ("oom", "firing")]
    assert "cache miss" not in team.accepted()[0].json["title"]
    assert mail.mail["Subject"] == "Urgent: Out of GPU memory: VAEDecode · gpu-1"
    assert "VAEDecode" in mail.mail.get_body(("plain",)).get_content()
    assert set(rules_told(archive)) == {("any-error", "firing"), ("oom", "firing")}


def test_the_end_of_a_nights_work_is_told(tmp_path, log):
    done = rule("done", "queue empties after 2s")
    with Provider() as hook, running(tmp_path, ALONE + log.source + done + webhook(hook)):
        night = []
        for number in range(5):
            run = {"workflow_id": f"run-{number}", "workflow_name": "portrait.json"}
            night.append({"event": "run_started", "timestamp": ago(120 - number * 10), **run})
            ended = "run_failed" if number == 2 else "run_finished"
            night.append({"event": ended, "timestamp": ago(113 - number * 10), "duration_ms": 7000, **run})
        log.write(*night)  # at once: between two of them the queue is empty, and must not be so for 2 s
        message = hook.wait(1, PATIENCE_S)[0].json
    assert message["rule"] == "done"
    assert "4 done" in message["title"] + message["text"]
    assert "1 failed" in message["title"] + message["text"]


def test_the_daily_digest_is_sent_once_also_by_a_server_that_was_down_at_its_time(tmp_path, log):
    due = datetime.now(UTC) - timedelta(minutes=2)
    with Provider() as hook, Provider() as phone:
        plain = ALONE + log.source + webhook(hook)
        plain += channel("webhook", "phone", phone.url, digest=False)
        log.write({"event": "run_finished", "workflow_id": "run-1", "timestamp": ago(hours=2), "duration_ms": 7000})
        with running(tmp_path, plain) as server:
            server.until("event:run_finished")
        digest = f'digest = {{ at = "{due:%H:%M}", zone = "UTC" }}\n'
        for _ in range(2):
            with running(tmp_path, plain.replace(ALONE, ALONE + digest)) as server:
                hook.wait(1, PATIENCE_S)
                server.until("event:digest_sent")
                log.write(failed())
                server.until("event:node_failed")
    (message,) = said(hook)
    assert "all is well" in message.lower()
    assert "1" in message
    assert not phone.received


def test_everything_that_alerting_does_is_in_alerts_log_and_in_the_store(tmp_path, log):
    with Provider() as hook, running(tmp_path, log.source + webhook(hook)) as server:
        log.write(OOM, failed("KSampler", run="run-2", user_id="ann"))
        hook.wait(2, PATIENCE_S)
        server.until("event:notification_sent", 2)
        shown = server.cli("query", "event:alert_fired | stats count() by rule", "--format", "ndjson").stdout
        by_user = server.cli("query", "event:node_failed | stats count() by node, user_id", "--format", "ndjson").stdout
        lines = [json.loads(line) for line in (server.data / "alerts.log").read_text().splitlines()]
    counted = {row["rule"]: row["count"] for row in map(json.loads, shown.splitlines())}
    assert counted["oom"] == 1
    assert counted["any-error"] == 2  # the one of the same failure is kept as inhibited
    assert {(row["node"], row.get("user_id")) for row in map(json.loads, by_user.splitlines())} == {
        ("VAEDecode", None),
        ("KSampler", "ann"),
    }
    fired = [line for line in lines if line["event"] == "alert_fired"]
    assert [line["rule"] for line in fired if "muted" not in line] == ["oom", "any-error"]
    assert {line["muted"] for line in fired if "muted" in line} <= {"inhibited"}
    assert [line["event"] for line in lines].count("notification_sent") == 2


def test_a_link_silences_only_at_the_second_tap_and_only_that_alert(tmp_path, log):
    own = rule("broken", "any event:node_failed", severity=3, repeat="1s")
    with Provider() as hook, running(tmp_path, ALONE + log.source + own + webhook(hook)) as server:
        log.write(failed("VAEDecode"))
        (message,) = [request.json for request in hook.wait(1, PATIENCE_S)]
        link = message["links"]["silence"]
        status, page = ask(server, "GET", link)
        assert status == 200
        assert "VAEDecode" in page
        assert server.get("/silences")["silences"] == []
        assert ask(server, "POST", link[:-4] + "AAAA", form="for=1h")[0] == 404
        status, page = ask(server, "POST", link, form="for=4h&by=Li")
        assert status == 200
        (silence,) = server.get("/silences")["silences"]
        assert (silence["state"], silence["by"], silence["match"]["node"]) == ("active", "Li", "VAEDecode")
        log.write(failed("VAEDecode", run="run-2"), failed("KSampler", run="run-3"))
        other = heard(hook, "KSampler")
        quiet = alert(server, "broken", lambda one: one["labels"].get("node") == "VAEDecode" and one["count"] == 2)
        assert quiet["muted"]["by"] == "silence"
        assert ask(server, "DELETE", f"/silences/{silence['id']}")[0] == 200
        assert "over" in server.cli("silence", "list").stdout
        log.write(failed("VAEDecode", run="run-4"))
        alert(server, "broken", lambda one: one["count"] == 3 and one["muted"] is None)
        heard(hook, "VAEDecode", 2)
    assert len(other) == 1


def test_nobody_acknowledged_it_so_everybody_is_told(tmp_path, log):
    when = {"looked-after": "any node:KSampler", "nobodys": "any node:VAEDecode"}
    own = "".join(rule(id_, line, escalate={"after": "10s"}) for id_, line in when.items())
    with Provider() as team, Provider() as boss:
        config = ALONE + log.source + own + channel("webhook", "team", team.url)
        with running(tmp_path, config + channel("webhook", "boss", boss.url, severity=3)) as server:
            log.write(failed("KSampler"))
            first = team.wait(1, PATIENCE_S)[0].json
            assert ask(server, "GET", first["links"]["acknowledge"])[0] == 200
            assert alert(server, "looked-after")["acknowledged"] is None
            assert ask(server, "POST", first["links"]["acknowledge"], form="by=Li")[0] == 200
            log.write(failed("VAEDecode", run="run-2"))
            raised = boss.wait(1, PATIENCE_S)[0].json
            known = alert(server, "looked-after")
            assert alert(server, "nobodys")["escalated"]
            server.cli("alerts", "ack", first["id"], "--undo")
            again = boss.wait(2, PATIENCE_S)[1].json
            team.wait(4, PATIENCE_S)
    assert known["acknowledged"]["by"] == "Li"
    assert not known["escalated"]
    assert [(one["rule"], one["severity"]) for one in (raised, again)] == [("nobodys", 3), ("looked-after", 3)]
    assert raised["title"].startswith("Nobody has acknowledged: ")
    assert [one.json["severity"] for one in team.accepted()] == [2, 2, 3, 3]


def test_at_night_only_what_is_urgent_rings_and_the_rest_waits_for_the_morning(tmp_path, log):
    now = datetime.now(UTC)
    night = f'quiet_hours = {{ from = "{now - timedelta(hours=1):%H:%M}", to = "{now + timedelta(hours=2):%H:%M}", '
    morning = f'quiet_hours = {{ from = "{now - timedelta(hours=2):%H:%M}", to = "{now - timedelta(minutes=1):%H:%M}", '
    end = 'zone = "UTC", below = 3 }\n'
    with Provider() as hook:
        common = log.source + webhook(hook)
        with running(tmp_path, RESET + night + end + common) as server:
            log.write(failed("KSampler"))
            held = alert(server, "any-error")
            log.write(OOM)
            heard(hook, "VAEDecode")
        assert held["muted"]["by"] == "quiet_hours"
        assert datetime.fromisoformat(held["muted"]["until"]) > now + timedelta(hours=1)
        assert rules_told(hook) == [("oom", "firing")]
        with running(tmp_path, RESET + morning + end + common) as server:
            heard(hook, "KSampler")
            alert(server, "any-error", lambda one: one["labels"].get("node") == "KSampler" and not one["muted"])
    assert len(hook.received) == 2


def test_a_rule_is_tried_on_the_past_with_the_server_up_and_down(tmp_path, log):
    with Provider() as hook:
        config = ALONE + log.source + webhook(hook)
        config += rule("row", "3 failures in a row", severity=3) + rule("broken", "any event:node_failed")
        for day in range(3):
            for number in range(4):
                run = f"run-{day}-{number}"
                log.write(failed(run=run, timestamp=ago(days=day, hours=3, minutes=-number)))
                log.write(
                    {"event": "run_failed", "workflow_id": run, "timestamp": ago(days=day, hours=3, minutes=-number)}
                )
            log.write({"event": "run_finished", "workflow_id": f"good-{day}", "timestamp": ago(days=day, hours=2)})
        with running(tmp_path, config) as server:
            server.until("event:run_finished", 3)
            server.until("event:run_failed", 12)
            up = json.loads(server.cli("rules", "backtest", "--since", "7d", "--json").stdout)
            trial = {"rule": {"when": "2 failures in a row"}, "from": "now-7d", "to": "now"}
            _, tried = ask(server, "POST", "/rules/backtest", trial)
            status, mistaken = ask(server, "POST", "/rules/backtest", {"rule": {"when": "2 failure in row"}})
        file = str(tmp_path / "safelight.toml")
        given = ("rules", "backtest", file, "--since", "7d", "--json", "--data", str(server.data))
        down = json.loads(cli(*given, environment=server.environment).stdout)
        assert not hook.received  # what is three hours late wakes nobody
    by_rule = {one["rule"]: one for one in up}
    assert (by_rule["row"]["total"], by_rule["broken"]["total"]) == (3, 3)
    assert [firing["count"] for firing in by_rule["broken"]["firings"]] == [4, 4, 4]
    assert by_rule["broken"]["firings"][0]["labels"]["node"] == "KSampler"
    days = [firing["started_at"][:10] for firing in by_rule["row"]["firings"]]
    assert days == sorted(days, reverse=True)
    same = ("total", "messages", "when")
    assert [[one[name] for name in same] for one in down] == [[one[name] for name in same] for one in up]
    assert tried["total"] == 3
    assert status == 400
    assert "caret" in mistaken


def test_a_photo_restoration_service_is_understood_by_its_words(tmp_path):
    log = Log(tmp_path / "ddcolor.log", service="ddcolor", instance="ddcolor-1")
    words = {
        "Failed to decode image: uploads/7.jpg": ("ddcolor-decode", 2),
        "Model not loaded": ("ddcolor-model", 3),
        "Out of memory": ("ddcolor-oom", 3),
        "Execution error in worker 2": ("ddcolor-execution", 2),
    }
    with Provider() as team, Provider() as sms, Provider() as archive:
        channels = channel("webhook", "team", team.url) + channel("webhook", "sms", sms.url, severity=3)
        channels += channel("webhook", "archive", archive.url, severity=1)
        with running(tmp_path, log.source + channels) as server:
            for number, line in enumerate(words):
                local = datetime.now().astimezone()  # a time without a zone is one of the machine
                log.say(f"2026-11-22 20:00:00 INFO request {number}", f"{local:%Y-%m-%d %H:%M:%S} ERROR {line}")
                team.wait(number + 1, PATIENCE_S)
            log.write({"event": "image_processed", "duration_ms": 41_000, "message": "restored"})
            heard(archive, "41 s")
            log.write(*({"event": "processing_failed", "level": "WARNING", "message": "failed"} for _ in range(3)))
            heard(sms, "3 failures in a row")
            server.until("event:notification_sent", 13)
    expected = [(id_, severity) for id_, severity in words.values()]
    assert [(one.json["rule"], one.json["severity"]) for one in team.accepted()] == [
        *expected,
        ("failures-in-a-row", 3),
    ]
    assert [one.json["rule"] for one in sms.accepted()] == ["ddcolor-model", "ddcolor-oom", "failures-in-a-row"]
    assert [one.json["severity"] for one in archive.accepted() if one.json["rule"] == "ddcolor-slow"] == [1]


def processed(number, duration_ms):
    return {"event": "image_processed", "workflow_id": f"photo-{number}", "duration_ms": duration_ms, "message": "done"}


def refused(number):
    return {
        "event": "processing_failed",
        "level": "WARNING",
        "workflow_id": f"photo-{number}",
        "message": "no face found",
    }


def test_a_service_of_id_photos_is_judged_by_its_own_figures(tmp_path):
    log = Log(tmp_path / "idphoto.log", service="idphoto", instance="shop")
    with Provider() as hook, MailServer() as post:
        config = log.source + webhook(hook) + mailing(post, severity=3)
        with running(tmp_path, config) as server:
            log.write(*({"level": "ERROR", "message": f"disk error {number}"} for number in range(6)))
            errors = alert(server, "idphoto-errors")
            assert not alerts(server, rule="error-rate")
            log.write(*({"level": "ERROR", "message": f"disk error {number}"} for number in range(6, 11)))
            many = alert(server, "error-rate")
            log.write(*(refused(number) for number in range(3)))  # a customer who tries three times wakes nobody
            log.write(*(processed(number, 2500) for number in range(3, 23)))
            slow = alert(server, "idphoto-slow")
            assert not alerts(server, rule="idphoto-failure-rate")  # 3 of 23
            log.write(*(refused(number) for number in range(23, 26)))
            failures = alert(server, "idphoto-failure-rate")
            mails = [mail.mail["Subject"] for mail in post.wait(2)]
            names = {one["rule"] for one in alerts(server)}
    assert (errors["severity"], many["severity"]) == (2, 3)
    assert slow["value"] == pytest.approx(2500)
    assert 15 < failures["value"] <= 100 * 6 / 26
    assert "Many errors" in mails[0]
    assert "Many ID photos fail" in mails[1]
    assert not {"failures-in-a-row", "failure-rate"} & names


def program(path, *lines):
    """A program that does these lines of Python."""
    path.write_text("\n".join([f"#!{sys.executable}", "import os, sys, pathlib", *lines]))
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_what_is_urgent_rings_everywhere_and_a_guarded_restart_is_tried(tmp_path, log):
    marks = tmp_path / "restarts"
    marks.write_text("")
    service = program(
        tmp_path / "restart", f"open({str(marks)!r}, 'a').write(os.environ['SAFELIGHT_INSTANCE'] + '\\n')"
    )
    restart = {"command": [service], "wait_for_health": "20s", "max": "1 per 1h", "cool_down": "1s", "dry_run": False}
    with Provider() as hook, Provider() as health, MailServer() as post:
        then = [{"restart": {**restart, "health_url": health.url}}]
        own = rule("gone", "any event:service_gone", severity=3, then=then)
        config = ALONE + log.source + own + webhook(hook) + mailing(post, severity=3)
        with running(tmp_path, config) as server:
            log.write({"event": "service_gone", "level": "ERROR", "message": "model not loaded"})
            (done,) = server.until("event:remedy_finished")
            cool = datetime.fromisoformat(done["timestamp"]) + timedelta(seconds=1.1)
            eventually(lambda: datetime.now(UTC) > cool, "it may be tried again, as far as the pause goes")
            log.write({"event": "service_gone", "level": "ERROR", "message": "model not loaded", "node": "Loader"})
            (skipped,) = server.until("event:remedy_finished attributes.status:skipped")
            subjects = [mail.mail["Subject"] for mail in post.wait(4)]
    assert marks.read_text() == "gpu-1\n"
    assert done["attributes"]["status"] == "done"
    assert "It answers after" in done["message"]
    assert "its limit of 1 within 1h is reached. Nothing more is tried." in skipped["message"]
    assert health.received
    assert len(subjects) == 4


def test_a_ladder_is_named_and_left_alone_until_somebody_says_do_it(tmp_path, log):
    marks = tmp_path / "marks"
    marks.write_text("")
    first = program(tmp_path / "first", f"open({str(marks)!r}, 'a').write('first ')", "sys.exit(3)")
    second = program(tmp_path / "second", f"open({str(marks)!r}, 'a').write('second ')", "print('helped')")
    own = rule(
        "broken",
        "any event:node_failed",
        severity=3,
        then=[{"command": {"run": [first]}}, {"command": {"run": [second]}}],
    )
    with Provider() as hook, running(tmp_path, ALONE + log.source + own + webhook(hook)) as server:
        log.write(failed())
        (named,) = server.until("event:remedy_finished")
        (repair,) = server.get("/repairs")["repairs"]
        assert (repair["status"], repair["dry_run"]) == ("dry_run", True)
        assert marks.read_text() == ""
        (told,) = heard(hook, "nothing was done")
        status, begun = ask(server, "POST", f"/repairs/{repair['id']}/do")
        assert status == 200
        server.until("event:remedy_finished attributes.status:done")
        shown = ask(server, "GET", f"/alerts/{repair['alert']}")[1]
        heard(hook, "helped")
        assert ask(server, "POST", "/repairs/unknown/do")[0] == 404
    assert marks.read_text() == "first second "
    assert named["attributes"]["status"] == "dry_run"
    for program_ in (first, second):
        assert os.path.basename(program_) in told
    assert begun["dry_run"] is False
    assert sorted(one["status"] for one in shown["repairs"]) == ["done", "dry_run", "failed"]


def test_a_broken_channel_is_told_on_the_others_and_works_again_after_a_test(tmp_path, log):
    with DingTalk(secret="SEC-old") as ding, Provider() as hook:
        own = rule("broken", "any event:node_failed", severity=3)
        config = ALONE + log.source + own + webhook(hook)
        wrong = config + channel("dingtalk", "team", ding.url, secret="SEC-typo")
        with running(tmp_path, wrong) as server:
            log.write(failed("VAEDecode"))
            (disabled,) = server.until("event:channel_disabled")
            (about,) = heard(hook, "sign not match")
            states = {one["name"]: one for one in server.get("/channels")["channels"]}
            test = server.cli("notify", "test", "team", check=False)
            status, problem = ask(server, "POST", "/channels/team/test")
            log.write(failed("KSampler", run="run-2"))
            heard(hook, "KSampler")
            asked = len(ding.received)
        # The robot got another secret: the one that stands in the file is right now.
        ding._secret = "SEC-typo"
        with running(tmp_path, wrong) as server:
            before = {one["name"]: one for one in server.get("/channels")["channels"]}["team"]
            mended = server.cli("notify", "test", "team")
            later = heard(ding, "KSampler")
            after = {one["name"]: one for one in server.get("/channels")["channels"]}["team"]
    assert "sign not match" in disabled["message"]
    assert "team" in about
    assert (states["team"]["state"], states["hook"]["state"]) == ("broken", "ok")
    assert states["team"]["broken_at"]
    assert test.returncode == 1
    assert "sign not match" in test.stderr
    assert (status, "sign not match" in json.dumps(problem)) == (502, True)
    assert asked == 3  # the message that broke it and two tests: what came after waits
    assert before["state"] == "broken"
    assert mended.returncode == 0
    assert len(later) == 1
    assert sum("VAEDecode" in message for message in said(ding)) == 1
    assert after["state"] == "ok"
    assert after["waiting"] == 0


def test_a_kill_in_the_middle_of_the_night_loses_nothing_and_repeats_only_with_a_mark(tmp_path, log):
    own = rule("broken", "any event:node_failed", severity=3, resolve_after="20s")
    with Provider() as hook:
        config = ALONE + log.source + own + webhook(hook)
        with running(tmp_path, config) as server:
            log.write(failed("Arrived"))
            server.until("event:notification_sent")
            hook.answers(Answer(after=threading.Event()))  # never: the server dies first
            log.write(failed("InFlight", run="run-2"))
            hook.wait(2, PATIENCE_S)
            os.kill(server.process.pid, signal.SIGKILL)
            server.process.wait()
        log.write(failed("Meanwhile", run="run-3"))
        with running(tmp_path, config) as server:
            hook.wait(4, PATIENCE_S)
            ended = [alert(server, "broken", lambda one, node=node: resolved(one, node)) for node in NODES]
    told = [
        (one["labels"]["node"], one["status"], sent.json["may_repeat"])
        for sent in hook.received
        for one in sent.json["alerts"]
    ]
    firing = [one for one in told if one[1] == "firing"]
    assert sorted(firing) == [
        ("Arrived", "firing", False),
        ("InFlight", "firing", False),
        ("InFlight", "firing", True),
        ("Meanwhile", "firing", False),
    ]
    assert firing.index(("InFlight", "firing", False)) < firing.index(("InFlight", "firing", True))
    assert sorted(one for one in told if one[1] == "resolved") == [(node, "resolved", False) for node in NODES]
    assert len({one.key for one in hook.received}) == len(hook.received) - 1
    assert all(one["count"] == 1 for one in ended)


def resolved(one, node):
    """It is over, and whoever heard of it knows."""
    told = [note["status"] for note in one["notifications"]]
    return one["labels"].get("node") == node and one["status"] == "resolved" and told[-2:] == ["sent", "sent"]


def test_a_mistake_in_one_rule_does_not_silence_the_others(tmp_path, log):
    good = rule("good", "any event:node_failed")
    bad = rule("misspelt", "failure rate > 15 over 15m") + rule("unknown", "any event:node_failed", severty=3)
    with Provider() as hook:
        config = ALONE + log.source + bad + good + webhook(hook)
        config += '[[channels]]\ntype = "dingtalk"\nname = "nowhere"\n'
        with running(tmp_path, config) as server:
            left_out = server.get("/rules")["left_out"]
            noted = server.until("event:config_left_out")
            listed = server.cli("rules", "list")
            log.write(failed())
            hook.wait(1, PATIENCE_S)
        terminal = (tmp_path / "server.log").read_text()
        checked = cli("rules", "check", str(tmp_path / "safelight.toml"), environment=server.environment, check=False)
        fixed = tmp_path / "fixed.toml"
        fixed.write_text(ALONE + good)
        well = cli("rules", "check", str(fixed), "--json", environment=server.environment)
    assert rules_told(hook) == [("good", "firing")]
    for place in (" ".join(left_out), terminal, listed.stderr, checked.stderr):
        assert "15%" in place
        assert "severty" in place
        assert "nowhere" in place or "url" in place
    assert len(noted) >= 1
    assert checked.returncode == 1
    assert json.loads(well.stdout)["ok"] is True


def test_a_rule_of_the_page_holds_at_once_outlives_restarts_and_can_be_taken_back(tmp_path, log):
    with Provider() as hook:
        config = ALONE + log.source + rule("of-file", "any event:other") + webhook(hook)
        fields = {"id": "mine", "when": "any event:node_failed node:KSampler", "severity": 3, "repeat": "1s"}
        with running(tmp_path, config) as server:
            status, mistaken = ask(server, "POST", "/rules", {**fields, "when": "any event:("})
            assert status == 400
            assert mistaken["field"] == "when"
            assert mistaken["caret"]
            assert ask(server, "POST", "/rules", {**fields, "then": [{"command": {"run": ["/bin/true"]}}]})[0] == 400
            status, made = ask(server, "POST", "/rules", fields)
            assert (status, made["rule"]["origin"], made["rule"]["editable"]) == (200, "page", True)
            assert ask(server, "POST", "/rules", fields)[0] == 409
            status, refusal = ask(server, "PUT", "/rules/of-file", {"when": "any event:another"})
            assert status == 409
            assert "safelight.toml:" in refusal["detail"]
            log.write(failed())
            hook.wait(1, PATIENCE_S)
        with running(tmp_path, config) as server:
            (kept,) = [one for one in server.get("/rules")["rules"] if one["id"] == "mine"]
            log.write(failed(run="run-2"))
            hook.wait(2, PATIENCE_S)
            status, changed = ask(server, "PUT", "/rules/mine", {**fields, "when": "any event:other_failure"})
            assert (status, changed["rule"]["when"]) == (200, "any event:other_failure")
            log.write(failed(run="run-3"), {"event": "other_failure", "level": "ERROR", "message": "other"})
            last = hook.wait(3, PATIENCE_S)[2].json
            assert ask(server, "DELETE", "/rules/of-file")[0] == 409
            assert ask(server, "DELETE", "/rules/mine")[0] == 200
            assert ask(server, "DELETE", "/rules/mine")[0] == 404
            assert "mine" not in [one["id"] for one in server.get("/rules")["rules"]]
            log.write(
                {"event": "other_failure", "level": "ERROR", "message": "after it"},
                {"event": "other", "message": "marker"},
            )
            marker = hook.wait(4, PATIENCE_S)[3].json
            noted = [event["attributes"]["rule"] for event in server.until("event:rule_changed", 3)]
    assert kept["state"] == "firing"
    assert last["events"][0]["event"] == "other_failure"
    assert marker["rule"] == "of-file"
    assert noted == ["mine"] * 3
