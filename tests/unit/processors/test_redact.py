import json
import re
import time

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from safelight.batch import Batch
from safelight.processors.redact import Redact, redact_text
from safelight.processors.redact.own import literal
from safelight.processors.redact.private import hider, hint
from safelight.processors.redact.secrets import _NAME, _SECRETS, MASK

# Put together from pieces, so that no scanner takes a test for a leak.
LETTERS = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789"
UUID = "0b7c41aa-7d2e-4f6e-9a51-0b7c41aa7d2e"
SECRETS = [
    ("using hf_" + LETTERS, "hf_" + LETTERS),
    ("key sk-" + LETTERS, "sk-" + LETTERS),
    ("key sk-proj-" + LETTERS, LETTERS),
    ("sk-ant-api03-" + LETTERS, LETTERS),
    ("push with ghp_" + LETTERS, LETTERS),
    ("github_pat_" + LETTERS, LETTERS),
    ("glpat-" + LETTERS[:20], LETTERS[:20]),
    ("AKIA" + "IOSFODNN7EXAMPLE", "IOSFODNN7EXAMPLE"),
    ("xoxb-" + "123456789012-" + LETTERS, LETTERS),
    ("AIza" + LETTERS[:35], LETTERS[:35]),
    ("eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiIxIn0." + LETTERS, LETTERS),
    ("Authorization: Bearer " + LETTERS, LETTERS),
    ("authorization=Basic " + LETTERS, LETTERS),
    ("'Bearer " + LETTERS + "'", LETTERS),
    ("GET /x?access_token=" + LETTERS + "&a=1", LETTERS),
    ("password=hunter2", "hunter2"),
    ('{"api_key": "k-12345 with spaces"}', "k-12345 with spaces"),
    ('{\\"password\\": \\"hunter2\\"}', "hunter2"),
    ("DINGTALK_SECRET=SEC0123abc", "SEC0123abc"),
    ("HF_TOKEN: abcdef123", "abcdef123"),
    ("aws_secret_access_key = " + LETTERS, LETTERS),
    ("Cookie: session=" + LETTERS, LETTERS),
    ("https://oapi.dingtalk.com/robot/send?access_token=" + LETTERS, LETTERS),
    ("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=" + UUID, UUID),
    ("https://open.feishu.cn/open-apis/bot/v2/hook/" + UUID, UUID),
    ("https://open.larksuite.com/open-apis/bot/v2/hook/" + UUID, UUID),
    ("https://hooks.slack.com/services/T00/B00/" + LETTERS, LETTERS),
    ("https://discord.com/api/webhooks/123/" + LETTERS, LETTERS),
    ("https://api.telegram.org/bot123456789:" + LETTERS + "/sendMessage", LETTERS),
    ("https://x.webhook.office.com/webhookb2/" + UUID, UUID),
    ("https://api.day.app/" + LETTERS + "/title", LETTERS),
    ("https://sctapi.ftqq.com/SCT" + LETTERS + ".send", LETTERS),
    ("https://ci.example/webhook/" + LETTERS, LETTERS),
    ("bot 123456789:" + LETTERS, LETTERS),
    ("https://user:hunter2@example.com/", "hunter2"),
    ("-----BEGIN RSA PRIVATE KEY-----\n" + LETTERS + "\n-----END RSA PRIVATE KEY-----", LETTERS),
    ("-----BEGIN PRIVATE KEY-----\n" + LETTERS, LETTERS),
    ("broken\\nsk-" + LETTERS, LETTERS),
    ("red \x1b[31msk-" + LETTERS, LETTERS),
    ("GET /x?a%3Dsk-" + LETTERS, LETTERS),
    ("X-API-Key: k12345", "k12345"),
    ("Set-Cookie: sid=deadbeef12; Path=/", "deadbeef12"),
    ("Cookie: a=b; sid=deadbeef12; c=d", "deadbeef12"),
    ("postgresql://user:hunter2@db/name", "hunter2"),
    ("redis://:hunter2@db:6379", "hunter2"),
    ("mysql://user:hun@ter2@db/name", "ter2"),
    ("https://" + "0123456789abcdef" * 2 + "@o1.ingest.sentry.io/2", "0123456789abcdef"),
    ("SEC" + "0123456789abcdef" * 4, "0123456789abcdef"),
    ("r8_" + LETTERS, LETTERS),
    ("LTAI" + "5t" + LETTERS[:18], LETTERS[:18]),
    ("ASIA" + "IOSFODNN7EXAMPLE", "IOSFODNN7EXAMPLE"),
    ("xoxp-" + "123456789012-" + LETTERS, LETTERS),
    ("main.py --token hunter2 --listen", "hunter2"),
    ("main.py --hf-token hunter2", "hunter2"),
    ("main.py --password 'hunter2 x'", "hunter2 x"),
    ("main.py --api-key=hunter2", "hunter2"),
    ('["--password","hunter2"]', "hunter2"),
    ("['main.py', '--api-key', 'hunter2']", "hunter2"),
    ('{\\"argv\\":[\\"--token\\", \\"hunter2\\"]}', "hunter2"),
    ("密码：hunter2，谢谢", "hunter2"),
    ("口令: hunter2", "hunter2"),
    ("密钥＝hunter2", "hunter2"),
    ("password：hunter2", "hunter2"),
]
PLAIN = [
    "tokens: 77, max_token_count 12 and 30 steps",
    "tokenizer loaded in 0.5 s",
    "key frames: 24",
    "the signal was lost",
    "mask-2 of task-15 on disk-1",
    "https://github.com/Comfy-Org/ComfyUI/issues/5038",
    "KSampler finished after 1300 ms",
    "node 12:34:56 took 30 s",
    "图像完成",
    "password",
    "git@github.com:safelight/safelight.git",
    "0b7c41aa-7d2e-4f6e-9a51-0b7c41aa7d2e",
    "task-list, risk-assessment2024, task-0123456789abcdef0123456789abcdef",
    "sk-learn-pipelines",
    "token count: 77",
    "a secret garden, golden key in a lock, cookies on a plate, masterpiece",
    "models/checkpoints/sd_xl_base_1.0_0.9vae.safetensors",
    "D:\\\\ComfyUI\\\\models\\\\loras\\\\r8_style.safetensors",
    "sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "--token is required, --password must be given; --api-key --listen",
    "git clone ssh://git@github.com/a/b or ssh://a-user-of-a-long-name@host",
    "http://127.0.0.1:8188/view?filename=a@b.png",
    "密码错误，请输入密码：必填",
    "SECTION LTAI ASIA AKIA",
]


@pytest.mark.parametrize(("text", "secret"), SECRETS, ids=range(len(SECRETS)))
def test_no_secret_stays_in_a_text(text, secret):
    hidden = redact_text(f"before {text} after")
    assert secret not in hidden
    assert MASK in hidden
    assert hidden.startswith("before ")


@pytest.mark.parametrize(("text", "secret"), SECRETS, ids=range(len(SECRETS)))
def test_no_secret_stays_in_a_batch_wherever_it_stands(text, secret):
    rows = [{"message": "x"}, {"message": text, "traceback": text, "error_message": text, "raw": text}]
    rows.append({"attributes": json.dumps({"list": ["a", {"deep": text}]}), "user_id": text})
    batch = Redact().build()(Batch.of(rows))
    assert secret not in json.dumps(batch.table.to_pylist(), ensure_ascii=False, default=str)
    assert batch["message"].to_pylist()[0] == "x"
    assert json.loads(batch["attributes"].to_pylist()[2])["list"][0] == "a"


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_no_secret_stays(text):
    assert redact_text(text) == text


def test_a_clean_batch_is_given_back_itself():
    batch = Batch.of([{"message": text, "attributes": '{"steps":30}'} for text in PLAIN])
    assert Redact().build()(batch) is batch


def test_a_value_below_a_telling_name_is_hidden_whatever_it_is():
    given = {
        "password": 12345,
        "nested": {"api_key": ["a", "b"], "n": 1},
        "webhook_url": "x",
        "secret": "",
        "token": None,
    }
    batch = Redact().build()(Batch.of([{"attributes": json.dumps(given)}]))
    assert json.loads(batch["attributes"].to_pylist()[0]) == {
        "password": MASK, "nested": {"api_key": MASK, "n": 1}, "webhook_url": MASK, "secret": "", "token": None,
    }  # fmt: skip


def test_the_word_after_a_telling_flag_is_hidden_in_a_list():
    given = {"argv": ["main.py", "--password", "hunter2", "--listen", "0.0.0.0", "--token"], "密码": 12}
    batch = Redact().build()(Batch.of([{"attributes": json.dumps(given, ensure_ascii=False)}]))
    assert json.loads(batch["attributes"].to_pylist()[0]) == {
        "argv": ["main.py", "--password", MASK, "--listen", "0.0.0.0", "--token"], "密码": MASK,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["source", "request_id", "user_id", "error_group", "trace_id", "tag"])
def test_a_token_in_a_column_of_names_is_hidden(name):
    assert Redact().build()(Batch.of([{name: "hf_" + LETTERS}, {name: "a"}]))[name].to_pylist() == [MASK, "a"]


def test_an_id_that_is_a_token_is_hidden_but_still_tells_events_apart():
    ids = ["hf_" + LETTERS, UUID, "hf_" + LETTERS[::-1], "hf_" + LETTERS]
    first, plain, other, again = Redact().build()(Batch.of([{"id": name} for name in ids]))["id"].to_pylist()
    assert plain == UUID
    assert first == again != other
    assert LETTERS not in first
    assert Redact().build()(Batch.of([{"id": first}]))["id"].to_pylist() == [first]


def test_the_reader_still_sees_what_stood_there():
    assert redact_text("https://hooks.slack.com/services/T0/B0/xyz") == f"https://hooks.slack.com/services/{MASK}"
    assert redact_text("GET /x?access_token=abcdef&a=1") == f"GET /x?access_token={MASK}&a=1"
    assert redact_text('"password": "a b", "user": "li"') == f'"password": "{MASK}", "user": "li"'


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("/home/li/ComfyUI/nodes.py", "~/ComfyUI/nodes.py"),
        ("/Users/li/x", "~/x"),
        ("/root/x", "~/x"),
        ("C:\\Users\\Li Wei\\ComfyUI\\x.py", "~\\ComfyUI\\x.py"),
        ('"C:\\\\Users\\\\li\\\\x"', '"~\\\\x"'),
        ("/rootless /srv/home/x", "/rootless /srv/home/x"),
        ("from 192.168.1.20:8188", "from [private address]:8188"),
        ("10.0.0.1, 172.16.3.4, 172.32.0.1, 8.8.8.8", "[private address], [private address], 172.32.0.1, 8.8.8.8"),
        ("fe80::1ff:fe23:4567:890a and fd12:3456::1", "[private address] and [private address]"),
        ("version 10.0.0.1.2 at 127.0.0.1", "version 10.0.0.1.2 at 127.0.0.1"),
    ],
)
def test_homes_and_private_addresses_are_hidden_where_asked(text, hidden):
    assert redact_text(text) == hidden
    assert redact_text(text, paths=False, addresses=False) == text
    step = Redact(paths=True, addresses=True).build()
    assert step(Batch.of([{"message": "a"}, {"message": text}]))["message"].to_pylist() == ["a", hidden]
    assert Redact().build()(Batch.of([{"message": text}]))["message"].to_pylist() == [text]


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("mail li.wei+gpu@studio.example.cn now", "mail [email] now"),
        ("a@b, @KSampler, x@1.2", "a@b, @KSampler, x@1.2"),
        ("call 13812345678 or +86 138 1234 5678", "call [phone] or [phone]"),
        ("+44 20 7946 0958, +1 (415) 555-2671", "[phone], [phone]"),
        (
            "seed 138123456789, 1.13812345678, id-13812345678, v+1",
            "seed 138123456789, 1.13812345678, id-13812345678, v+1",
        ),
    ],
)
def test_mail_and_telephone_numbers_are_hidden_where_asked(text, hidden):
    step = Redact(emails=True, phones=True).build()
    assert step(Batch.of([{"message": "a"}, {"message": text}]))["message"].to_pylist() == ["a", hidden]
    assert json.loads(step(Batch.of([{"attributes": json.dumps({"k": [text]})}]))["attributes"][0].as_py()) == {
        "k": [hidden]
    }
    assert Redact().build()(Batch.of([{"message": text}]))["message"].to_pylist() == [text]


def test_own_patterns_are_replaced_in_texts_and_within_attributes():
    patterns = [r"order-\d{8}", {"name": "customer", "pattern": r"^customer (\w)\w+", "replace": r"customer \1."}]
    step = Redact(patterns=patterns).build()
    rows = [
        {"message": "no order-12345678"},
        {"message": "customer Wang"},
        {"message": "-", "attributes": '{"a":["customer Wang \\"x\\"",{"order-12345678":1}],"n":12345678}'},
        {"id": "order-12345678", "attributes": "{}"},
    ]
    done = step(Batch.of(rows)).table.to_pylist()
    assert [row["message"] for row in done] == [f"no {MASK}", "customer W.", "-", None]
    assert json.loads(done[2]["attributes"]) == {"a": ['customer W. "x"', {MASK: 1}], "n": 12345678}
    assert done[3]["id"].startswith("redacted-")


@pytest.mark.parametrize("pattern", ["(", r"(?<=no )order", r"(a)\1", "a*", ""])
def test_a_pattern_that_could_be_slow_or_is_none_is_refused(pattern):
    with pytest.raises(ValidationError):
        Redact(patterns=[pattern])


def test_a_replacement_must_fit_its_pattern():
    with pytest.raises(ValidationError, match="regular expression"):
        Redact(patterns=[{"pattern": "a", "replace": r"\2"}])


@settings(max_examples=200)
@given(
    st.lists(
        st.sampled_from(
            ["order", "-", "[0-9]", r"\d+", "x?", "ab*", "c{0,2}", "d{2}", "(e)", "(fg)?", r"\.", "^", "[^a]", "."]
        ),
        min_size=1,
        max_size=6,
    ).map("".join),
    st.text("order-0123abcdefg. x", max_size=14),
)
def test_the_text_that_a_pattern_needs_is_in_all_that_it_finds(pattern, text):
    found = pc.match_substring_regex(pa.array([text]), pattern)[0].as_py()
    assert not found or literal(pattern) in text


def test_the_text_that_a_pattern_needs_is_seen():
    given = [r"order-\d{8}", "x[0-9]+-house", "a|b", "(?i)abc", r"\d+", "abc?", r"\x41bc"]
    assert [literal(pattern) for pattern in given] == ["order-", "-house", "", "", "", "ab", ""]


def test_fields_are_left_alone_but_for_secrets():
    text = "li@example.com with hf_" + LETTERS
    rows = [{"message": text, "user_id": text, "attributes": json.dumps({"a": {"b": text}, "c": text})}]
    hidden, secret_hidden = f"[email] with {MASK}", f"li@example.com with {MASK}"

    def done(**settings):
        row = Redact(emails=True, **settings).build()(Batch.of(rows)).table.to_pylist()[0]
        inner = json.loads(row["attributes"])
        return [value == hidden for value in (row["message"], row["user_id"], inner["a"]["b"], inner["c"])], row

    assert done()[0] == [True, True, True, True]
    assert done(leave=["user_id", "a"])[0] == [True, False, False, True]
    assert done(only=["message", "attributes.a.b"])[0] == [True, False, True, False]
    assert done(only=["attributes"], leave=["c"])[0] == [False, False, True, False]
    assert done(leave=["user"])[1]["user_id"] == secret_hidden


def test_events_that_where_does_not_find_are_left_alone():
    rows = [{"message": "order-1", "level": "DEBUG"}, {"message": "order-1", "level": "INFO"}]
    done = Redact(where="level:DEBUG", patterns=["order-[0-9]"]).step()(Batch.of(rows))
    assert done["message"].to_pylist() == [MASK, "order-1"]


def test_hiding_twice_is_hiding_once():
    for text, _ in SECRETS:
        assert redact_text(redact_text(text)) == redact_text(text)


PEOPLE = ["li@example.com", "13812345678", "+86 138-1234-5678", "+44 20 7946 0958", "/home/li", "10.0.0.1"]


@settings(max_examples=300)
@given(
    st.lists(st.sampled_from([*(text for text, _ in SECRETS), *PEOPLE]) | st.text(max_size=12), max_size=5).map("".join)
)
def test_the_quick_look_misses_nothing_that_would_be_hidden(text):
    """The expression that lets clean batches pass must find whatever the careful ones change."""
    everything = {"paths": True, "addresses": True, "emails": True, "phones": True}
    if hider(**everything)(text) != text:
        found = pc.match_substring_regex(pa.array([text]), hint(**everything))
        assert found.to_pylist() == [True]


HOSTILE = [
    "a",
    "token=",
    "://",
    "key",
    "1",
    "a-",
    '"token":"',
    "://a:",
    "-----BEGIN ",
    "eyJ",
    "authorization: ",
    "/hook/",
    "--token ",
    "--a-",
    "sk-",
    "cookie:a;",
    "密码：",
    "://a@",
    "a.@",
    "a@b-.",
    "+1 ",
    "+86-",
    "138",
]


@pytest.mark.parametrize("piece", HOSTILE)
def test_the_time_a_text_takes_grows_no_faster_than_its_length(piece):
    def cost(length):
        text = (piece * length)[:length] + "token secret bearer authorization ://x hook private key eyj"
        start = time.process_time()
        hider(paths=True, addresses=True, emails=True, phones=True)(text)
        return time.process_time() - start

    cost(1000)
    short, long = (min(cost(length) for _ in range(3)) for length in (16_000, 64_000))
    assert long < 12 * max(short, 0.002)  # quadratic would be 16; the least of three has met no collection of garbage


@pytest.mark.parametrize("column", ["source", "attributes"])
def test_a_secret_that_is_the_same_in_all_rows_is_hidden_in_all(column):
    batch = Batch.of([{"id": str(number), column: f'{{"run":"hf_{LETTERS}"}}'} for number in range(3)])
    assert Redact().build()(batch)[column].to_pylist() == [f'{{"run":"{MASK}"}}'] * 3


# fmt: off
ASSIGNED = [
    "token", "_key", "api", "encryption", "access", "_id", "secret", "Passwd", "password", "passphrase", "PWD", "pwd",
    "cookie", "sign", "signature", "credentials", "private-", ": ", "=", "：", " ", "\u3000", "\n", "\\n", "\\", '"',
    "'", "hunter2", "x", "9", ",", "&", "[", "İ", "K", "ſ", "密钥",
]
# fmt: on


@settings(max_examples=500)
@given(pieces=st.lists(st.sampled_from(ASSIGNED), max_size=12))
def test_an_assignment_is_hidden_as_if_its_pattern_was_tried_everywhere(pieces):
    text = "".join(pieces)
    plainly = re.sub(
        rf"({_NAME})(\\?[\"']?\s*[:=：＝][\s\u3000]*)"
        r"(?:(\\?[\"'])(?!\3)(?:(?!\3).)+?(?=\3)|[^\s\u3000\"'&,;<>()\[\]{}\\，。；、]+)",
        rf"\1\2\3{MASK}",
        text,
        flags=re.IGNORECASE | re.ASCII,
    )
    assert next(one for one in _SECRETS if one.near).hidden(text) == plainly
