"""What the documentation shows exists: links, paths, configurations, commands, limits."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote

import click
import pytest

from safelight.alerts import when
from safelight.channels import Channel
from safelight.cli import safelight
from safelight.config import load
from safelight.config.default_rules import DEFAULT_RULES
from safelight.plugin import kinds
from safelight.remedies import Remedy

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!\\)\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def prose(page):
    return BLOCK.sub("", page.read_text(encoding="utf-8"))


def blocks(*languages):
    for page in PAGES:
        for number, (_, language, content) in enumerate(BLOCK.findall(page.read_text(encoding="utf-8"))):
            if language in languages:
                yield pytest.param(content, id=f"{page.relative_to(ROOT)}-{number}")


def anchors(page):
    """As GitHub makes them: lower case, punctuation gone, blanks to dashes."""
    headings = HEADING.findall(prose(page))
    plain = [LINK.sub(lambda found: found[0][1 : found[0].index("]")], heading) for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in plain}


@every_page
def test_every_link_leads_somewhere(page):
    dead = []
    for target in LINK.findall(re.sub(r"`[^`]*`", "", prose(page))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            dead.append(target)
    assert not dead


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_page_of_the_manual_is_reachable_from_its_index(language):
    folder = ROOT / "docs" / language
    linked = set(LINK.findall((folder / "index.md").read_text(encoding="utf-8")))
    assert {str(page.relative_to(folder)) for page in folder.rglob("*.md")} - linked == {"index.md"}


def test_the_manual_has_the_same_pages_in_both_languages():
    pages = [
        {page.relative_to(ROOT / "docs" / language) for page in (ROOT / "docs" / language).rglob("*.md")}
        for language in ("en", "zh")
    ]
    assert pages[0] == pages[1]


@pytest.mark.parametrize(
    "page",
    [ROOT / "docs" / "architecture.md", *sorted((ROOT / "docs" / "decisions").glob("*.md"))],
    ids=lambda p: p.name,
)
def test_every_path_that_is_named_exists(page):
    named = re.findall(r"`([\w.-]+/[\w./-]*|\w+\.(?:py|sql))`", prose(page))
    assert [path for path in named if not exists(path)] == []


def exists(path):
    """From the root or from the package, with or without `.py`; the name of a file alone anywhere in the package."""
    source = ROOT / "src" / "safelight"
    places = [base / f"{path}{suffix}" for base in (ROOT, source) for suffix in ("", ".py")]
    return any(place.exists() for place in places) or ("/" not in path and any(source.rglob(path)))


@pytest.mark.parametrize("block", list(blocks("toml")))
def test_a_configuration_that_is_shown_is_valid(block, tmp_path, monkeypatch):
    for name in re.findall(r"env:(\w+)", block):
        monkeypatch.setenv(name, "https://oapi.dingtalk.com/robot/send?access_token=0")
    file = tmp_path / "safelight.toml"
    file.write_text(block, encoding="utf-8")
    config = load(file)
    assert not config.left_out


def commands():
    """Every `safelight ...` of a block as a list of words, and those within a line up to their first pipe."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        shown = [
            line
            for _, language, content in BLOCK.findall(text)
            if language in {"sh", "console", ""}
            for line in joined(content)
        ]
        inline = re.findall(r"`(safelight(?: [^`.\[]+)?)`", BLOCK.sub("", text))  # `safelight ...` is no command line
        for line in [*shown, *inline]:
            for words in called(line):
                yield pytest.param(words, line in inline, id=f"{page.relative_to(ROOT)}: {' '.join(words)[:80]}")


def joined(content):
    return content.replace("\\\n", " ").splitlines()


def called(line):
    try:
        lexer = shlex.shlex(line.strip().removeprefix("$ "), posix=True, punctuation_chars="|&;<>()")
        lexer.whitespace_split = True
        words = list(lexer)
    except ValueError:  # a quotation mark of prose
        return
    for start, word in enumerate(words):
        if word.rsplit("/", 1)[-1] == "safelight" and (
            start == 0 or "=" in words[start - 1] or words[start - 1] in "|&&;"
        ):
            rest = words[start + 1 :]
            end = next((place for place, one in enumerate(rest) if set(one) <= set("|&;<>()")), len(rest))
            yield rest[:end]


def understood(command, words, name="safelight", above=None):
    """Raises click's UsageError for what the command line would refuse."""
    if isinstance(command, click.Group):
        with click.Context(command, parent=above, info_name=name) as context:
            if not words or words[0].startswith("-"):
                assert not words or words[0] in {"--help", "-h", "--version"}, words
                return
            below = command.get_command(context, words[0])
            assert below is not None, f"no command {words[0]}"
            understood(below, words[1:], words[0], context)
        return
    try:
        command.make_context(name, list(words), parent=above)
    except click.exceptions.Exit:
        return  # --help


@pytest.mark.parametrize(("words", "inline"), list(commands()))
def test_a_command_that_is_shown_is_understood(words, inline):
    try:
        understood(safelight, words)
    except click.MissingParameter:
        assert inline, "a command line needs its arguments"  # within a sentence its name may stand alone


@pytest.mark.parametrize("block", list(blocks("when")))
def test_a_condition_that_is_shown_is_understood(block):
    for line in block.splitlines():
        assert when.parse(str(when.parse(line))) == when.parse(line)


@pytest.mark.parametrize("default", [rule.id for rule in DEFAULT_RULES])
def test_every_rule_that_is_on_by_itself_is_explained(default):
    for language in ("en", "zh"):
        assert f"`{default}`" in (ROOT / "docs" / language / "rules.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("room", [Channel, Remedy])
def test_every_channel_and_every_remedy_is_explained(room):
    for language in ("en", "zh"):
        page = ROOT / "docs" / language / ("channels.md" if room is Channel else "remedies.md")
        text = page.read_text(encoding="utf-8")
        shown = 'type = "{}"' if room is Channel else "`{}`"
        assert [name for name in kinds(room) if shown.format(name) not in text] == []


@pytest.mark.parametrize("channel", [one for one in kinds(Channel).values() if one.per_minute])
def test_what_a_channel_sends_a_minute_is_in_the_manual(channel):
    rows = (ROOT / "docs" / "en" / "limits.md").read_text(encoding="utf-8").splitlines()
    name = {"sms_aliyun": "SMS", "sms_tencent": "SMS", "sms_twilio": "SMS"}.get(channel.kind(), channel.kind())
    row = next(row for row in rows if row.lower().startswith(f"| {name.lower()}"))
    assert re.match(rf"\|[^|]+\| {channel.per_minute}\b", row)


@pytest.mark.parametrize("block", list(blocks("json")))
def test_json_that_is_shown_is_json(block):
    for document in [block] if block.lstrip().startswith("{\n") else block.splitlines():
        json.loads(document)


@pytest.mark.parametrize(
    "page", ["en/emit.md", "zh/emit.md", "en/channels.md", "zh/channels.md", "en/getting-started.md"]
)
def test_python_that_is_shown_runs(page, tmp_path, monkeypatch):
    monkeypatch.setenv("SAFELIGHT_SPOOL", str(tmp_path / "spool"))
    for _, language, content in BLOCK.findall((ROOT / "docs" / page).read_text(encoding="utf-8")):
        if language == "python":
            subprocess.run([sys.executable, "-W", "error", "-c", content], cwd=tmp_path, check=True, timeout=60)


MB = 1 << 20
LIMITS = [
    ("shipping.question", "BELIEVED_S", 60.0, "whether a sink takes anything | one a minute"),
    ("tail.lines", "MAX_LINE_BYTES", 4 * MB, "a line | 4 MB"),
    ("tail.tailer", "STEP_BYTES", 4 * MB, "all files of a source | 4 MB"),
    ("tail.follow", "TURN_BYTES", MB, "of one file 1 MB"),
    ("tail.tailer", "RESCAN_S", 1.0, "every 1 s at most"),
    ("tail.watch", "LOOK_AGAIN_S", 2.0, "every 2 s (Linux)"),
    ("tail.watch", "POLL_S", 0.25, "0.25 s (elsewhere)"),
    ("tail.records", "SILENCE_S", 0.1, "ends a record | 0.1 s"),
    ("tail.once", "CHUNK_BYTES", 4 * MB, "`safelight ingest`) | 4 MB"),
    ("processors.parse.line", "LINE_LIMIT", MB, "understood | 1 MB"),
    ("processors.parse.line", "DEPTH_LIMIT", 100, "JSON | 100 levels"),
    ("services.joiner", "MAX_LINES", 1_000, "1,000 lines"),
    ("services.joiner", "MAX_BYTES", 256 << 10, "256 KB"),
    ("tail.lines", "NUL_RUN", 16, "NULs in a row | 16"),
    ("tail.tailer", "MOST_OPEN", 512, "open at a time | 512"),
    ("tail.follow", "LINGER_S", 5.0, "deleted is held | 5 s"),
    ("tail.follow", "IDLE_S", 300.0, "does not grow | 5 min"),
    ("tail.position", "HEAD_BYTES", 256, "its first 256 bytes, and 256 before"),
    ("tail.position", "MARK_BYTES", 256, "its first 256 bytes, and 256 before"),
    ("tail.copies", "HOLD_S", 5.0, "5 s, at most 10 min"),
    ("tail.copies", "MOST_S", 600.0, "5 s, at most 10 min"),
    ("tail.copies", "REMEMBERED", 1_000, "to know copies | 1,000"),
    ("tail.packed", "SETTLE_S", 2.0, "is read | 2 s after"),
    ("collecting.collector", "SHOWN_FILES", 100, "is shown | 100, the furthest"),
    ("sources.bodies", "MOST_BYTES", 64 * MB, "through the server | 64 MB"),
    ("sources.bodies", "MOST_BYTES", 64 * MB, "as sent and decompressed | 64 MB each"),
    ("sources.bodies", "MOST_IN_HAND_BYTES", 192 * MB, "read at once | 192 MB"),
    ("sources.bodies", "SILENCE_S", 30.0, "within a body | 30 s"),
    ("sources.bodies", "WINDOW_BYTES", 8 * MB, "8 MB over HTTP, 32 MB over `forward`"),
    ("sources.inbox", "MOST_BYTES", 64 * MB, "on the disk | 64 MB a source"),
    ("sources.inbox", "PATIENCE_S", 25.0, "waits for that | 25 s"),
    ("sources.received", "MOST_RECORDS", 100_000, "of a request | 100,000"),
    ("sources.framing", "MOST_COMMAS", 1_000_000, "JSON array 1,000,000"),
    ("sources.received", "MOST_RECORD_BYTES", MB, "a record | 1 MB"),
    ("sources.http", "MOST_REASONS", 100, "the first 100 of them"),
    ("sources.endpoint", "SAID_MAX", 200, "(`service` …) | 200 characters"),
    ("wire.forward.frames", "MESSAGE_LIMIT", 64 * MB, "64 MB (`message_limit`), decompressed 256 MB"),
    ("wire.forward.entries", "DECOMPRESSED_LIMIT", 256 * MB, "64 MB (`message_limit`), decompressed 256 MB"),
    ("wire.forward.entries", "RECORD_LIMIT", 4 * MB, "an entry of `forward` | 4 MB"),
    ("wire.forward.entries", "KEPT", 64 << 10, "its first 64 KB are kept"),
    ("wire.forward.entries", "WINDOW_LIMIT", 32 * MB, "8 MB over HTTP, 32 MB over `forward`"),
    ("wire.otlp.records", "RECORD_LIMIT", 4 * MB, "all its points | 4 MB"),
    ("sources.in_hand", "IN_HAND_BYTES", 256 * MB, "not durable yet | 256 MB"),
    ("sources.forward", "PARCEL_BYTES", 4 * MB, "durable at a time | 4 MB"),
    ("sources.peers", "CONNECTIONS", 1_000, "and `syslog` | 1,000 each"),
    ("sources.peers", "HANDSHAKE_S", 10.0, "10 s; 60 s"),
    ("sources.peers", "STALL_S", 60.0, "10 s; 60 s"),
    ("sources.syslog", "MESSAGE_LIMIT", 64 << 10, "a message of `syslog` | 64 KB"),
    ("sources.syslog", "UDP_QUEUE", 8 * MB, "datagrams that wait | 8 MB"),
    ("sources.probe", "BODY_BYTES", MB, "a probe reads | 1 MB"),
    ("sources.outputs", "MOST_AT_ONCE", 200, "200 in one look, 2 s after"),
    ("sources.outputs", "SETTLED_S", 2.0, "200 in one look, 2 s after"),
    ("sources.outputs", "FLOATS_BYTES", 256 * MB, "searched for NaN | 256 MB"),
    ("app.receiving", "MOST_SENDERS", 1_000, "told apart | 1,000"),
    ("arrivals", "MOST_EVENTS", 100_000, "a batch of an agent | 100,000 events"),
    ("arrivals", "NAME_MAX", 200, "its name and id 200 characters"),
    ("processors.redact.own", "LONGEST", 1_000, "for `redact` | 1,000 characters"),
    ("processors.limit", "MOST_KEYS", 10_000, "`limit` tells apart | 10,000"),
    ("shipping.payload", "MOST_WEIGHT", 4 * MB, "a record of the queue | 4 MB"),
    ("shipping.attempts", "LONGEST_ASKED_S", 3600.0, "asks for | 1 h"),
    ("shipping.shipper", "PATIENCE_S", 120.0, "an attempt | 120 s"),
    ("shipping.shipper", "DISK_AGAIN_S", 5.0, "tried again after 5 s"),
    ("shipping.letters", "FILE_BYTES", 16 * MB, "files of 16 MB, 1 GB a sink"),
    ("shipping.letters", "MOST_BYTES", 1 << 30, "files of 16 MB, 1 GB a sink"),
    ("shipping.tidings", "AGAIN_S", 60.0, "are told | once in 60 s"),
    ("app.feed", "LINGER_S", 1.0, "once in 1 s, 5,000 at a time"),
    ("app.feed", "PIECE", 5_000, "once in 1 s, 5,000 at a time"),
    ("app.feed", "REMEMBER", 100_000, "every 100,000 events"),
    ("sinks.web", "ANSWER_MAX", 300, "answer that is kept | 300 characters"),
    ("sinks.elasticsearch.indices", "ID_MAX", 512, "an id | 512 bytes"),
    ("sinks.elasticsearch.indices", "EARLIEST_YEAR", 2000, "a time before 2000, or more than 1 day"),
    ("sinks.elasticsearch.indices", "LATEST", timedelta(days=1), "a time before 2000, or more than 1 day"),
    ("sinks.elasticsearch.template", "KEYWORD_MAX", 1_024, "a keyword | 1,024 characters"),
    ("sinks.elasticsearch.documents", "DEEPEST", 20, "within each other | 20"),
    ("sinks.elasticsearch.writer", "MOST_HALVINGS", 200, "at fault | 200"),
    ("sinks.clickhouse", "MOST_HALVINGS", 200, "at fault | 200"),
    ("sinks.clickhouse", "REMEMBERED_INSERTS", 10_000, "inserts that are remembered | 10,000"),
    ("sinks.forward", "MESSAGE_BYTES", 2 * MB, "`forward`: a message | 2 MB"),
    ("sinks.fluent", "FORGIVEN_S", 60.0, "comes last | for 60 s"),
    ("sinks.file.template", "MOST_FILES", 1_000, "different paths | 1,000"),
    ("sinks.file.rotation", "LATE", timedelta(hours=1), "earlier day | 1 h"),
    ("agent.agent", "STOPPING_S", 5.0, "5 s for its notes, 5 s for its queues"),
    ("agent.telling", "EVERY_S", 5.0, "it is doing | every 5 s"),
    ("collecting.checkup", "LITTLE_ROOM", 1 << 30, "under 1 GB, under 100 MB"),
    ("collecting.checkup", "NO_ROOM", 100 * MB, "under 1 GB, under 100 MB"),
    ("collecting.diagnosis", "BEHIND_S", 60.0, "clock ahead | 60 s"),
    ("collecting.collector", "AHEAD_S", 60.0, "clock ahead | 60 s"),
    ("collecting.diagnosis", "NEARLY_FULL", 0.8, "a queue | 80 % full"),
    ("collecting.diagnosis", "FAR_BEHIND", 100_000, "behind the store | 100,000 events"),
    ("collecting.alive", "RETRY_S", (1.0, 2.0, 5.0, 10.0, 30.0), "after 1, 2, 5, 10, then every 30 s"),
    ("store.frame", "MAX_PAYLOAD", 1 << 30, "one batch | 1 GB"),
    ("store.hot", "MAX_EVENTS", 131_072, "131,072 events"),
    ("store.hot", "MAX_BYTES", 32 * MB, "or 32 MB"),
    ("store.hot", "REMEMBERED_BATCHES", 10_000, "remembered | 10,000"),
    ("store.catalog", "HELD_IN_MEMORY", 2, "kept in memory | 2"),
    ("store.merge", "MAX_EVENTS", 1 << 20, "1,048,576 events"),
    ("store.merge", "MAX_MEMORY", 512 * MB, "512 MB in memory"),
    ("store.engine", "MEMORY", "512MB", "all together | 512 MB"),
    ("store.engine", "THREADS", 2, "2 threads"),
    ("app.upkeep", "EVERY_S", 600.0, "applied | every 10 min"),
    ("query.parse", "MAX_BYTES", 16_384, "a query, a SQL text | 16,384 bytes"),
    ("query.sql_guard", "MAX_BYTES", 16_384, "a query, a SQL text | 16,384 bytes"),
    ("query.parse", "MAX_COLUMNS", 100, "columns of a statistic | 100"),
    ("query.filters", "MAX_DEPTH", 100, "depth of a query | 100"),
    ("query.filters", "MAX_TERMS", 1_000, "terms of a query | 1,000"),
    ("query.stats", "MAX_ROWS", 10_000, "of SQL | 10,000"),
    ("answers", "MOST_ROWS", 10_000, "on a page | 10,000"),
    ("answers.sql", "TIMEOUT_S", 30.0, "for an answer | 30 s"),
    ("store.sandbox", "IDLE_S", 300.0, "unused | 5 min"),
    ("store.sandbox_child", "MEMORY_MB", 512, "2 waiting, 512 MB"),
    ("store.sandbox_child", "MAX_BYTES", 64 * MB, "an answer of 64 MB"),
    ("web.live", "PAUSE_S", 0.25, "4 times a second"),
    ("web.live", "BATCH", 500, "500 events each"),
    ("web.live", "HEARTBEAT_S", 15.0, "live stream | 15 s"),
    ("alerts.words", "COUNT_MAX", 1_000_000_000, "up to 1,000,000,000"),
    ("alerts.words", "OVER_MIN", timedelta(seconds=1), "1 s to 366 d"),
    ("alerts.words", "OVER_MAX", timedelta(days=366), "1 s to 366 d"),
    ("alerts.words", "BY_MAX", 4, "behind `by` | 4"),
    ("alerts.words", "FACTOR_MAX", 1_000, "up to 1,000 times"),
    ("alerts.watch", "PERIOD", 5_000_000, "looked at | every 5 s"),
    ("alerts.watch", "LABELS_MAX", 1_000, "tells apart | 1,000"),
    ("alerts.watch", "LATE", 600_000_000, "that may fire | 10 min"),
    ("alerts.watch.sliding", "GRAINS_MAX", 720, "1/720 of its length"),
    ("alerts.watch.sliding", "CELLS_MAX", 100_000, "a window keeps | 100,000"),
    ("alerts.watch.runs", "OPEN_MAX", 10_000, "follows at once | 10,000"),
    ("alerts.watch.new_error", "GROUPS_MAX", 100_000, "remembers | 100,000"),
    ("alerts.watch.columns", "FIGURE_MAX", 1e12, "a figure | 1,000,000,000,000"),
    ("alerts.watch.bins", "WIDTH", 1.02, "in bins of 2 %"),
    ("alerts.watch.level", "FRESH", 120_000_000, "older than 2 min"),
    ("alerts.watch.slower", "USUAL", 7 * 86_400_000_000, "usual | the 7 days before"),
    ("alerts.watch.streak", "REACH", timedelta(days=7), "part of a row | for 7 days"),
    ("alerts.watch.emptied", "PAUSE", 60_000_000, "(`queue empties`) | 60 s"),
    ("alerts.watch.feed", "HISTORY_TIMEOUT_S", 60.0, "at a start | 60 s"),
    ("alerts.evaluate", "LATE", timedelta(minutes=10), "that may fire | 10 min"),
    ("alerts.evaluate", "PASS_TIMEOUT_S", 10.0, "about new events | 10 s"),
    ("alerts.evaluate", "PART_MIN", 1_000, "down to 1,000 events"),
    ("alerts.evaluate", "LABEL_MAX", 200, "label | 200 characters"),
    ("alerts.evaluate", "TEXT_MAX", 2_000, "each text 2,000 characters"),
    ("alerts.engine", "GAP", timedelta(minutes=10), "begin anew | 10 min"),
    ("alerts.engine", "STEP_MAX", 50_000, "50,000 events in one step"),
    ("alerts.costs", "SLOW_MS", 500.0, "500 ms on average"),
    ("alerts.judge", "SLOWED", 10, "judged 10 times less often"),
    ("alerts.backtest", "SPAN_MAX", timedelta(days=90), "back-test | 90 d"),
    ("alerts.backtest", "TIMEOUT_S", 30.0, "back-test | 90 d, 30 s"),
    ("alerts.backtest", "FIRINGS_MAX", 200, "the newest 200"),
    ("alerts.backtest", "EXAMPLES_MAX", 20, "examples of 20"),
    ("answers.backtest", "EVENTS_MAX", 3, "3 events each"),
    ("answers.backtest", "BARS", 120, "120 bars"),
    ("alerts.template", "OUTPUT_MAX", 16_000, "a template | 16,000 characters"),
    ("alerts.template", "TIME_MAX_S", 0.5, "16,000 characters, 0.5 s"),
    ("alerts.template", "DEEP_MAX", 2, "2 loops inside each other"),
    ("alerts.life", "FIRING_MAX", 1_000, "that fire | 1,000"),
    ("alerts.life", "FIGURES_EVERY", timedelta(seconds=15), "written down every 15 s"),
    ("alerts.group", "COLLECT", timedelta(seconds=10), "collected for 10 s"),
    ("alerts.flaps", "CHANGES", 4, "4 changes in 30 min"),
    ("alerts.flaps", "WITHIN", timedelta(minutes=30), "4 changes in 30 min"),
    ("alerts.flaps", "STABLE_AFTER", timedelta(minutes=30), "stable for 30 min"),
    ("alerts.silences", "MATCHES_MAX", 20, "a silence | 20 values"),
    ("alerts.silences", "TEXT_MAX", 1_000, "comment 1,000 characters"),
    ("alerts.silences", "SHOWN_MAX", 1_000, "silences shown | 1,000"),
    ("alerts.content.message", "DETAILED_MAX", 5, "by name | 5, 20"),
    ("alerts.content.message", "NAMED_MAX", 20, "by name | 5, 20"),
    ("alerts.content.message", "EVENTS_MAX", 10, "events | 10, each"),
    ("alerts.content.message", "TEXT_MAX", 16_000, "everything | 16,000"),
    ("alerts.content.safe", "TITLE_MAX", 100, "100 and 400 characters, 6 lines"),
    ("alerts.content.safe", "LINE_MAX", 400, "100 and 400 characters, 6 lines"),
    ("alerts.content.safe", "READ_MAX", 8_000, "for a message | 8,000 characters"),
    ("alerts.content.facts", "TRACEBACK_LINES", 6, "100 and 400 characters, 6 lines"),
    ("alerts.content.around", "LINES", 5, "lines before | 5, of the 10 min"),
    ("alerts.content.around", "BEFORE", timedelta(minutes=10), "lines before | 5, of the 10 min"),
    ("alerts.content.around", "TIMEOUT_S", 0.3, "around it | 0.3 s"),
    ("alerts.content.curve", "POINTS_MAX", 200, "10 min, 200 points"),
    ("alerts.content.curve", "SHOWN", timedelta(minutes=10), "10 min, 200 points"),
    ("alerts.picture", "WIDTH", 600, "600 × 220 pixels"),
    ("alerts.picture", "HEIGHT", 220, "600 × 220 pixels"),
    ("alerts.occasion", "LISTED_MAX", 50, "of the night | 50"),
    ("alerts.outbox", "JOIN_MIN", 3, "3 and more, up to 200"),
    ("alerts.outbox", "JOIN_MAX", 200, "3 and more, up to 200"),
    ("alerts.outbox", "WAITING_MAX", 10_000, "for a channel | 10,000"),
    ("alerts.outbox", "BACKOFF_MAX_S", 3600.0, "1 h at most"),
    ("alerts.outbox", "PAUSE_MAX_S", 30.0, "its channel | 30 s at most"),
    ("alerts.links", "GOOD_FOR", timedelta(days=7), "good for 7 days"),
    ("alerts.links", "TOGETHER_MAX", 8, "for up to 8 alerts"),
    ("alerts.state", "KEEP_FOR", timedelta(days=30), "30 days, 10,000 alerts"),
    ("alerts.state", "KEEP_ALERTS", 10_000, "30 days, 10,000 alerts"),
    ("alerts.repairs", "KEEP_FOR", timedelta(days=30), "repairs are kept | 30 days"),
    ("alerts.repairs", "TOO_LATE", timedelta(hours=1), "until 1 h after"),
    ("app.digests", "LATE_MAX", timedelta(hours=12), "up to 12 h late"),
    ("answers.digest.facts", "FAILURES_MAX", 5, "in the digest | 5, 3, 5"),
    ("answers.digest.facts", "SLOWER_MAX", 3, "in the digest | 5, 3, 5"),
    ("answers.digest.message", "ALERTS_MAX", 5, "in the digest | 5, 3, 5"),
    ("app.alertlog", "BYTES_MAX", 10 * MB, "`alerts.log` | 10 MB, 5 older"),
    ("app.alertlog", "KEPT", 5, "`alerts.log` | 10 MB, 5 older"),
    ("delivery.converse", "WHOLE_TIMEOUT_S", 30, "30 s in all"),
    ("delivery.exchange", "READ_MAX", 64 << 10, "64 KB read"),
    ("delivery.smtp", "CONNECT_S", 5.0, "5 s to connect"),
    ("delivery.smtp", "READ_S", 10.0, "10 s to read"),
    ("delivery.deliver", "REFUSED_MAX", 5, "refused in a row | 5"),
    ("channels", "ANSWER_MAX", 300, "300 characters kept"),
    ("delivery.guard", "ADDRESSES_TRIED", 3, "tried | 3"),
    ("channels.dingtalk", "BODY_MAX", 20_000, "20,000 bytes each"),
    ("channels.wecom", "MARKDOWN_MAX", 4_096, "markdown 4,096, text 2,048"),
    ("channels.wecom", "TEXT_MAX", 2_048, "markdown 4,096, text 2,048"),
    ("channels.wecom", "PICTURE_MAX", 2 * MB, "a picture 2 MB"),
    ("channels.feishu", "BODY_MAX", 20_000, "90, 20,000 bytes"),
    ("channels.slack", "TEXT_MAX", 9_000, "50, 9,000 characters"),
    ("channels.slack", "SECTION_MAX", 3_000, "3,000 a section"),
    ("channels.telegram", "TEXT_MAX", 4_096, "Telegram | 9, 4,096"),
    ("channels.discord", "DESCRIPTION_MAX", 4_096, "Discord | 28, 4,096"),
    ("channels.ntfy", "MESSAGE_MAX", 4_096, "ntfy | 12, 4,096 bytes, 3 buttons"),
    ("channels.ntfy", "ACTIONS_MAX", 3, "ntfy | 12, 4,096 bytes, 3 buttons"),
    ("channels.bark", "BODY_MAX", 3_500, "Bark | 30, 3,500 bytes"),
    ("channels.serverchan", "TITLE_MAX", 32, "title 32, 32,000 bytes"),
    ("channels.serverchan", "TEXT_MAX", 32_000, "title 32, 32,000 bytes"),
    ("channels.sms", "ONE_MESSAGE", 70, "Twilio 70 in all"),
    ("channels.email", "SUBJECT_MAX", 200, "subject 200 characters"),
    ("channels.webhook", "BODY_MAX", 1_000_000, "template | 1,000,000 characters"),
    ("web.bodies", "MOST_BYTES", 1024 * 1024, "but for imports | 1 MB"),
    ("alerts.when", "WHEN_MAX", 2_000, "`when` of a rule | 2,000 characters"),
    ("channels.alertmanager", "KEPT", timedelta(minutes=5), "alive 5 min"),
    ("remedies.execute", "OUTPUT_BYTES", 2_048, "the last 2 KB"),
    ("remedies.health", "_ANSWER_S", 5.0, "each answer 5 s"),
    ("app.remedying", "HEALTH_EVERY_S", 0.5, "asked for | every 0.5 s"),
    ("app.remedying", "KEEP_UP_S", 1.0, "looked at | every 1 s"),
    ("app.remedying", "SETTLE_S", 300.0, "taking it back | 5 min"),
    ("app.remedying", "AGAIN_S", 10.0, "again every 10 s"),
    ("query.errors", "MOST_GROUPS", 1_000, "1,000, shown 500"),
    ("answers.errors", "MOST_ERRORS", 500, "1,000, shown 500"),
    ("answers.errors", "MOST_NODES", 5, "of a group | 5, 20, 10"),
    ("query.errors", "MOST_RECENT", 20, "of a group | 5, 20, 10"),
    ("query.errors", "MOST_ALERTS", 10, "of a group | 5, 20, 10"),
    ("query.errors", "BARS", 30, "a group | 30 bars"),
    ("query.errors", "QUIET", timedelta(days=7), "after 7 days of quiet"),
    ("services.failures.classify", "READ", 2_000, "its cause | 2,000 characters"),
    ("services.failures.classify", "LONGEST_SUBJECT", 80, "in a group | 80, 120"),
    ("processors.fingerprint", "LONGEST", 120, "in a group | 80, 120"),
    ("collecting.journal", "WAITING", 10_000, "for the store | 10,000"),
    ("serve", "GRACE_S", 3, "3 s for open requests"),
    ("app.app", "STOPPING_S", 5.0, "5 s for the last notes"),
    ("comfyui.pack.document", "MOST_TEXT", 8_000_000, "8,000,000 characters each, 200 levels"),
    ("comfyui.pack.document", "PART", 24_000, "one of these | 24,000 characters"),
    ("comfyui.pack.graph", "MOST_FILES", 200, "that are named | 200 each"),
    ("comfyui.pack.pixels", "LOOK_BYTES", 64_000_000, "64,000,000 bytes"),
    ("comfyui.pack.pixels", "LOOK_PIXELS", 40_000_000, "40,000,000 pixels"),
    ("comfyui.pack.memory", "MODELS", 50, "in a ledger | 50, 20"),
    ("comfyui.pack.sampler", "KEPT", 18_000, "18,000 readings"),
    ("comfyui.pack.submission", "WAITING", 10_000, "time is remembered | 10,000"),
    ("comfyui.pack.submission", "REMEMBERED", 3_600, "sent again | after 1 h"),
    ("comfyui.pack.inventory", "PACK_FILES", 2_000, "2,000 files of each"),
    ("comfyui.watch.pace", "IDLE_S", 5.0, "every 5 s (`poll`)"),
    ("comfyui.watch.pace", "BUSY_S", 1.0, "every 1 s (`poll_busy`)"),
    ("comfyui.watch.pace", "WOKEN_S", 0.5, "at most every 0.5 s"),
    ("comfyui.watch.pace", "SHARE", 5, "1 part in 5"),
    ("comfyui.client", "ANSWER_LIMIT", 64 * MB, "10 s (`timeout`), 64 MB"),
    ("comfyui.watch.watcher", "AWAY_AFTER_MS", 2_000, "away for | 2 s"),
    ("comfyui.watch.watcher", "MISSED_AFTER_MS", 60_000, "away for | 2 s, 60 s"),
    ("comfyui.watch.watcher", "SILENT_AFTER_MS", 60_000, "without an answer for | 60 s"),
    ("comfyui.watch.watcher", "GONE_AFTER_MS", 5_000, "on this machine, for | 5 s"),
    ("comfyui.watch.watcher", "DEAD_AFTER_MS", 10_000, "none taken for | 10 s"),
    ("comfyui.watch.looking", "AT_FIRST", 100, "first meeting | 100 runs"),
    ("comfyui.watch.looking", "MOST_REMEMBERED", 10_000, "after an absence | 10,000 runs"),
    ("comfyui.watch.wakeups", "MOST_KEPT", 10_000, "the socket that wait | 10,000"),
    ("answers.runs.listing", "MOST_RUNS", 500, "of the list | 500 runs"),
    ("query.runs", "MOST_VALUES", 50, "of a filter | 50"),
    ("query.standing", "MOST_OPEN", 1_000, "on the overview | 1,000"),
    ("answers.runs.usual", "LOOK_BACK", 50, "the last 50 finished runs"),
    ("query.run_states", "OPEN_WITHIN", timedelta(days=7), "nothing was heard | 7 days"),
    ("answers.runs.one", "MOST_EVENTS", 40_000, "that are read | 40,000"),
    ("answers.runs.one", "MOST_ALIKE", 4_000, "its readings 4,000"),
    ("answers.runs.curve", "MOST_POINTS", 2_000, "memory curve | 2,000"),
    ("answers.runs.executions", "MOST_STEPS", 200, "of a node | 200"),
    ("answers.runs.saved", "MOST_SAVED", 2_000, "files of a run | 2,000"),
    ("answers.runs.outputs", "MOST_BYTES", 32 * MB, "is shown | 32 MB"),
    ("comfyui.layout", "MOST_NODES", 10_000, "is drawn | 10,000 nodes"),
    ("comfyui.layout", "MOST_DEPTH", 8, "8 levels of sub-graphs"),
    ("cli.waterfall", "MOST_NODES", 60, "in the terminal | 60"),
    ("app.lost", "CERTAIN_AFTER_S", 5.0, "and silent | 5 s each"),
    ("answers.runs.open", "PROOF_WITHIN", timedelta(seconds=60), "within 60 s"),
    ("app.lost", "RESUBMIT_WITHIN", timedelta(hours=24), "unasked | within 24 h"),
    ("app.ledger", "MOST_KNOWN", 100_000, "are remembered | 100,000"),
    ("app.resubmit", "BUNDLE_S", 600.0, "writing a bundle | 600 s"),
    ("comfyui.bundle", "MOST_MEMBERS", 1_000, "a bundle | 1,000 members"),
    ("comfyui.bundle", "MOST_FILE", 64 * MB, "a file 64 MB"),
    ("documents", "MOST_PARTS", 4_096, "parts of a document | 4,096"),
    ("documents", "MOST_TEXT", 65_536, "each 65,536 characters"),
    ("documents", "MOST_BYTES", 64 * MB, "unpacked | 64 MB"),
    ("documents", "FORGET_PARTS_AFTER", timedelta(days=7), "never came | 7 days"),
    ("sources.sampled", "SHORTEST", timedelta(seconds=1), "`every` | 1 s to 1 h"),
    ("sources.gpu", "LOOK_AGAIN", timedelta(minutes=1), "looks again every 1 min"),
    ("hardware.docker_api", "WAIT_S", 10.0, "Docker daemon | 10 s"),
]


@pytest.mark.parametrize(("module", "name", "value", "said"), LIMITS, ids=[f"{m}.{n}" for m, n, *_ in LIMITS])
def test_a_limit_of_the_code_is_the_one_in_the_manual(module, name, value, said):
    assert getattr(import_module(f"safelight.{module}"), name) == value, (
        "change docs/en/limits.md and docs/zh/limits.md"
    )
    assert said in (ROOT / "docs" / "en" / "limits.md").read_text(encoding="utf-8")


def test_the_limits_are_the_same_numbers_in_both_languages():
    def numbers(language):
        rows = (ROOT / "docs" / language / "limits.md").read_text(encoding="utf-8").splitlines()
        return [set(re.findall(r"\d[\d,.]*\d|\d", row)) for row in rows if row.startswith("|")]

    assert numbers("en") == numbers("zh")


def test_a_fragment_of_the_changelog_has_a_kind():
    names = [path.name for path in (ROOT / "changelog.d").iterdir()]
    kinds = re.compile(r"[\w-]+\.(?:added|changed|fixed)\.md|template\.md\.jinja|\.gitkeep")
    assert [name for name in names if not kinds.fullmatch(name)] == []
