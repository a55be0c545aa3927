"""`safelight run` and `safelight runs` as a person sees them, with the server down."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from safelight import answers
from safelight.cli import amounts, output, runs, waterfall
from safelight.cli import run as run_command
from safelight.errors import InputError, StoreError
from safelight.store.segments import SegmentStore
from support.runs import fill, stories, story

NOW = datetime.now(UTC).replace(microsecond=0)
BLOCKS = waterfall.Signs.of("utf-8")


@pytest.fixture(scope="module")
def told():
    return {one.kind: one for one in stories(NOW)[24:]}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    directory = tmp_path_factory.mktemp("data")
    fill(directory, stories(NOW))
    return directory


@pytest.fixture(scope="module")
def known(data, told):
    with SegmentStore.open(data, read_only=True) as store:
        return {
            kind: json.loads(answers_dump(answers.run(store, one.documents.get, one.id))) for kind, one in told.items()
        }


def answers_dump(value):
    from safelight.rows import dump

    return dump(value)


@pytest.fixture
def called(data):
    """`called(command, *arguments)`: what it prints."""

    def call(command, *arguments):
        done = CliRunner().invoke(command, [*arguments, "--data", str(data)], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output

    return call


def drawn(run, columns=100, signs=BLOCKS, **options):
    return list(waterfall.lines(run, columns, signs, NOW, **options))


@pytest.mark.parametrize("columns", [60, 100, 160])
@pytest.mark.parametrize("kind", ["ok", "cached", "oom", "expanded", "running", "async"])
def test_no_line_of_the_waterfall_is_wider_than_the_terminal(known, kind, columns):
    shown = drawn(known[kind], columns)
    bars = [line for line in shown if "█" in line or "▒" in line]
    assert bars
    assert all(output.width(_plain(line)) <= columns for line in bars)


def _plain(line):
    import click

    return click.unstyle(line)


def line_of(shown, begin):
    return next(_plain(line) for line in shown if _plain(line).strip().startswith(begin))


def test_bars_are_as_long_as_their_nodes_took_with_loading_and_the_usual_time(known):
    shown = drawn(known["oom"], 160)
    sampler, loader = line_of(shown, "KSampler 3"), line_of(shown, "CheckpointLoaderSimple 4")
    assert sampler.count("█") + sampler.count("▒") > 3 * (loader.count("█") + loader.count("▒"))
    assert "▒" in sampler
    assert "│" in sampler  # it usually takes 4.6 s, and took 9.8
    assert "9.8 s" in sampler


def test_waiting_comes_first_and_cached_nodes_have_no_bar(known):
    shown = drawn(known["cached"], 160)
    assert "·" in next(_plain(line) for line in shown if "40 ms" in line)
    cached = line_of(shown, "CheckpointLoaderSimple 4")
    assert "█" not in cached


def test_a_node_at_work_is_drawn_until_now(known):
    assert ">" in line_of(drawn(known["running"]), "KSampler 3")


def test_what_went_wrong_is_told_with_the_ledger_and_no_traceback(known):
    text = "\n".join(map(_plain, drawn(known["oom"])))
    assert "torch.OutOfMemoryError" in text
    assert "Requested               : 2.25 GiB" in text
    assert "NVIDIA GeForce RTX 4090" in text
    assert "FluxClipModel_" in text
    assert "Traceback" not in text
    assert "What to do: " in text


def test_validation_errors_and_lost_runs_say_what_is_known(known):
    assert "not in ['sd_xl_base_1.0.safetensors']" in "\n".join(drawn(known["rejected"]))
    assert "60.4 GB" in "\n".join(drawn(known["lost"]))
    assert "ComfyUI_00042_.png" in "\n".join(drawn(known["ok"]))


def test_of_five_hundred_nodes_the_longest_are_drawn_and_all_when_asked(known):
    few, all_of_them = drawn(known["many"]), drawn(known["many"], everything=True)
    assert sum("█" in line for line in few) == waterfall.MOST_NODES
    assert sum("█" in line for line in all_of_them) == 500


def test_a_terminal_without_blocks_gets_ascii(known):
    text = "\n".join(drawn(known["ok"], signs=waterfall.Signs.of("ascii")))
    assert "#" in text
    assert "█" not in text


def test_what_came_from_a_log_cannot_act_on_the_terminal(known):
    hostile = known["oom"] | {"workflow_name": "\x1b]0;owned\x07x\u202ey", "user_id": "\x1b[2Ja"}
    hostile["error"] = hostile["error"] | {"message": "a\x1b[31mb\rc"}
    text = _plain("\n".join(drawn(hostile)))
    assert not {"\x1b", "\x07", "\u202e", "\r"} & set(text)


def test_the_beginning_of_an_id_is_enough(called, told):
    assert told["oom"].id in called(run_command.command, told["oom"].id[:10])


def test_programs_get_the_whole_run(called, told):
    found = json.loads(called(run_command.command, told["oom"].id, "--format", "json"))
    assert found["memory"]["device_total_mb"] == 24_564.0
    assert found["graph"]["positioned"] is True


def test_an_id_that_could_be_several_and_one_that_is_nobodys_are_refused(tmp_path):
    fill(tmp_path, [story("ok", NOW, run_id=each) for each in ("wf-10", "wf-11")])
    for given, said in (("wf-1", "wf-10, wf-11"), ("xx", "xx")):
        with pytest.raises(InputError, match=said):
            CliRunner().invoke(run_command.command, [given, "--data", str(tmp_path)], catch_exceptions=False)
    with pytest.raises(StoreError):
        CliRunner().invoke(run_command.command, ["x", "--data", str(tmp_path / "none")], catch_exceptions=False)


def test_runs_are_listed_as_a_table(called, told):
    text = called(runs.command, "--state", "failed,lost")
    assert len(text.splitlines()) == 5
    assert "海报 4K" in text
    assert told["oom"].id in text
    assert "\x1b" not in text


def test_runs_are_listed_for_programs_and_bounded(called):
    rows = json.loads(called(runs.command, "--format", "json", "--limit", "3"))
    assert len(rows) == 3
    assert {"id", "state", "nodes", "usual_ms"} <= rows[0].keys()
    assert len(called(runs.command, "--format", "ndjson").splitlines()) == len(stories(NOW))
    assert called(runs.command, "--format", "csv").startswith("id,state,")


@pytest.mark.parametrize(
    ("ms", "text"),
    [(None, ""), (0, "0 ms"), (85.2, "85 ms"), (999.4, "999 ms"), (999.6, "1.0 s"), (8588, "8.6 s")],
)
def test_durations_have_a_unit_that_fits(ms, text):
    assert amounts.lasting(ms) == text


def test_long_durations_are_minutes_and_hours():
    assert "3" in amounts.lasting(185_000)
    assert "05" in amounts.lasting(185_000)
    assert "10" in amounts.lasting(timedelta(hours=2, minutes=10).total_seconds() * 1000)
