"""The two nodes: what they hand through, what they write down, when they wait and when they stop."""

from __future__ import annotations

import math
import sys
from types import SimpleNamespace

import pytest

from safelight.event import Name

GB = 1_024


@pytest.fixture
def nodes(pack, told, monkeypatch):
    monkeypatch.setattr(pack.nodes, "append", told)
    monkeypatch.setattr(pack.nodes, "POLL", 0.001)
    return pack.nodes


@pytest.fixture
def free(nodes, monkeypatch):
    """What is free, in GB; change it as the test goes on."""
    free = SimpleNamespace(gpu=None, ram=8.0, disk=50.0, looks=0)

    def read():
        free.looks += 1
        if free.gpu is None:
            return sys.modules[nodes.Memory.__module__].Reading()
        return sys.modules[nodes.Memory.__module__].Reading(
            device_used_mb=(24 - free.gpu) * GB,
            device_total_mb=24 * GB,
            torch_allocated_mb=1 * GB,
            torch_reserved_mb=3 * GB,
        )

    monkeypatch.setattr(nodes, "_memory", SimpleNamespace(read=read))
    monkeypatch.setattr(nodes, "system_ram_mb", lambda: (64 * GB, free.ram * GB))
    monkeypatch.setattr(nodes, "free_disk_mb", lambda: free.disk * GB)
    return free


def check(nodes, *, gpu=0.0, ram=0.0, disk=0.0, on_breach="warn", wait_s=20):
    thing = object()
    assert nodes.SafelightHealthCheck().check(thing, gpu, ram, disk, on_breach, wait_s, "7") == (thing,)


def test_enough_of_everything_is_written_down(nodes, free, told):
    check(nodes, ram=4, disk=10)
    assert [one.level for one in told] == ["INFO"]
    assert told.of("health_checked") == [
        {
            "outcome": "ok",
            "free_vram_mb": None,
            "free_ram_mb": 8 * GB,
            "free_disk_mb": 50 * GB,
            "breaches": [],
            "node": "SafelightHealthCheck",
            "node_id": "7",
        }
    ]


def test_too_little_is_a_warning_and_the_graph_goes_on(nodes, free, told):
    check(nodes, ram=16, disk=100)
    (fields,) = told.of("health_checked")
    assert (told[0].level, fields["outcome"]) == ("WARNING", "warned")
    assert fields["breaches"] == ["8.0 GB of RAM free, 16 GB wanted", "50.0 GB of disk space free, 100 GB wanted"]


def test_what_torch_has_reserved_and_not_given_out_counts_as_free(nodes, free, told):
    free.gpu = 3
    check(nodes, gpu=4.5)
    check(nodes, gpu=5.5)
    ok, short = told.of("health_checked")
    assert (ok["outcome"], ok["free_vram_mb"]) == ("ok", 5 * GB)
    assert short["breaches"] == ["5.0 GB of GPU memory free, 5.5 GB wanted"]


def test_without_a_gpu_its_check_says_so_and_is_no_breach(nodes, free, told):
    check(nodes, gpu=8)
    (fields,) = told.of("health_checked")
    assert (fields["outcome"], fields["note"]) == ("ok", "no GPU here whose memory could be checked")


def test_a_threshold_of_zero_is_not_checked(nodes, free, told):
    free.ram = free.disk = 0
    check(nodes)
    assert told.of("health_checked")[0]["outcome"] == "ok"


@pytest.mark.parametrize("kind", ["gpu", "ram", "disk"])
def test_a_threshold_that_is_no_number_is_refused(nodes, free, told, kind):
    said = nodes.SafelightHealthCheck.VALIDATE_INPUTS(**{f"free_{kind}_gb": math.nan})
    assert said == f"free_{kind}_gb is no number"
    with pytest.raises(ValueError, match=f"free_{kind}_gb is no number"):
        check(nodes, **{kind: math.nan})
    assert told == []


@pytest.mark.parametrize("amount", [-0.5, -math.inf, math.inf, 100_000.5])
def test_a_threshold_out_of_bounds_is_refused_before_the_run(nodes, amount):
    said = nodes.SafelightHealthCheck.VALIDATE_INPUTS(free_ram_gb=amount)
    assert said == f"free_ram_gb is {amount:g}, and must be between 0 and 100000"


def test_thresholds_within_bounds_and_over_a_link_are_fine(nodes):
    assert nodes.SafelightHealthCheck.VALIDATE_INPUTS(0.0, None, 100_000.0) is True


def test_stop_ends_the_run_and_says_why(nodes, free, told):
    with pytest.raises(RuntimeError, match=r"Safelight stopped the run: 8\.0 GB of RAM free, 16 GB wanted"):
        check(nodes, ram=16, on_breach="stop")
    assert told.of("health_checked")[0]["outcome"] == "stopped"
    assert free.looks == 1


def test_wait_goes_on_as_soon_as_there_is_enough(nodes, free, told, monkeypatch):
    monkeypatch.setattr(nodes, "throw_if_interrupted", lambda: setattr(free, "ram", free.ram + 3))
    check(nodes, ram=16, on_breach="wait")
    (fields,) = told.of("health_checked")
    assert (fields["outcome"], fields["breaches"], fields["free_ram_mb"]) == ("waited", [], 17 * GB)


def test_a_wait_that_takes_too_long_stops_the_run(nodes, free, told, monkeypatch):
    clock = iter(range(0, 1_000, 5))
    monkeypatch.setattr(nodes, "monotonic", lambda: next(clock))
    with pytest.raises(RuntimeError, match="Safelight stopped the run"):
        check(nodes, ram=16, on_breach="wait", wait_s=30)
    (fields,) = told.of("health_checked")
    assert fields["outcome"] == "stopped"
    assert free.looks == 6


def test_a_wait_can_be_interrupted(nodes, free, told, monkeypatch):
    class Interrupted(Exception):
        pass

    def throw():
        raise Interrupted

    manager = SimpleNamespace(throw_exception_if_processing_interrupted=throw)
    monkeypatch.setitem(sys.modules, "comfy.model_management", manager)
    with pytest.raises(Interrupted):
        check(nodes, ram=16, on_breach="wait")
    assert told == []


def test_the_disk_is_that_of_comfyuis_output(nodes, monkeypatch, tmp_path):
    asked = []
    folders = SimpleNamespace(get_output_directory=lambda: asked.append(1) or str(tmp_path))
    monkeypatch.setitem(sys.modules, "folder_paths", folders)
    assert nodes.free_disk_mb() > 0
    assert asked == [1]


def test_a_disk_that_is_gone_is_unknown(nodes, monkeypatch, tmp_path):
    folders = SimpleNamespace(get_output_directory=lambda: str(tmp_path / "gone"))
    monkeypatch.setitem(sys.modules, "folder_paths", folders)
    assert nodes.free_disk_mb() is None


def test_a_mark_is_an_event_of_the_users_name(pack, nodes, told):
    run = pack.run.Run("w1", {})
    token = pack.run.at_hand.set(pack.run.Node(run, "3", "SafelightMark", None))
    try:
        assert nodes.SafelightMark().mark("thing", "upscale_begins", "second pass", "3") == ("thing",)
    finally:
        pack.run.at_hand.reset(token)
    assert told.of("upscale_begins") == [
        {"text": "second pass", "workflow_id": "w1", "node": "SafelightMark", "node_id": "3"}
    ]


def test_a_key_in_the_remark_of_a_mark_does_not_reach_the_disk(nodes, told):
    nodes.SafelightMark().mark(None, "login", "with hf_abcdefghijklmnop", "3")
    assert told.of("login")[0]["text"] == "with [REDACTED]"


@pytest.mark.parametrize("name", ["", "Upper", "with space", "9lives", "a" * 65, "ümlaut", "a-b", "x\n"])
def test_a_name_that_is_none_is_refused_before_the_run(nodes, told, name):
    assert "is no name for an event" in nodes.SafelightMark.VALIDATE_INPUTS(name)
    with pytest.raises(ValueError, match="is no name for an event"):
        nodes.SafelightMark().mark(None, name)
    assert told == []


@pytest.mark.parametrize("name", sorted(Name))
def test_a_name_that_safelight_uses_itself_is_refused(nodes, name):
    assert "has a meaning in Safelight already" in nodes.SafelightMark.VALIDATE_INPUTS(str(name))


@pytest.mark.parametrize("name", ["my_mark", "a", "step_2", "upscaled", None])
def test_other_names_and_names_over_a_link_are_fine(nodes, name):
    assert nodes.SafelightMark.VALIDATE_INPUTS(name) is True


def test_both_run_each_time_and_take_anything(nodes):
    for node in nodes.NODE_CLASS_MAPPINGS.values():
        assert math.isnan(node.IS_CHANGED(anything=1, wait_s=2))
        (kind,) = node.RETURN_TYPES
        assert not kind != "IMAGE"  # noqa: SIM202 - this is the comparison that ComfyUI makes
        assert node.INPUT_TYPES()["required"]["anything"][0] is kind
        assert hasattr(node, node.FUNCTION)
        assert kind == "*"


def test_every_input_has_a_tooltip_and_a_name_in_both_languages(pack, nodes):
    import json

    for language in ("en", "zh"):
        words = json.loads((pack.folder / "locales" / language / "nodeDefs.json").read_text("utf-8"))
        assert set(words) == set(nodes.NODE_CLASS_MAPPINGS) == set(nodes.NODE_DISPLAY_NAME_MAPPINGS)
        for name, node in nodes.NODE_CLASS_MAPPINGS.items():
            inputs = node.INPUT_TYPES()
            shown = {**inputs["required"], **inputs.get("optional", {})}
            assert set(words[name]["inputs"]) == set(shown)
            for key, (_, options) in shown.items():
                assert words[name]["inputs"][key]["tooltip"]
                if language == "en":
                    assert words[name]["inputs"][key]["tooltip"] == options["tooltip"]
        assert words["SafelightMark"]["description"]
