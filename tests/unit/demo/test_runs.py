from __future__ import annotations

import json
from itertools import pairwise
from random import Random

import pytest

from safelight.comfyui.pack.document import sha256
from safelight.demo import troubles
from safelight.demo.job import LONG_TEXT, PREVIEW, Job, Place
from safelight.demo.life import opening_job
from safelight.demo.runs import run
from safelight.demo.studio import GPU_1, GPU_2, GPU_3, INSTANCES, TOM, USERS
from safelight.demo.workflows import PORTRAIT, POSTER, PRODUCT, UPSCALE
from safelight.event import RUN_ENDED, Name
from safelight.services.tracebacks import failure

NOW = 1_790_000_000.0
WORKFLOWS = (PORTRAIT, PRODUCT, POSTER, UPSCALE)
PLACES = [(workflow, INSTANCES[name]) for workflow in WORKFLOWS for name in workflow.instances]


def job(workflow, prompt="a red lamp", **more):
    return Job(NOW, USERS[0], workflow, prompt, "photo.png", 1234, **more)


def names(story):
    return [happening.name for happening in story]


def plain(story):
    """Without documents, curve and progress."""
    aside = {Name.RUN_DOCUMENT, Name.RESOURCES_SAMPLED, Name.NODE_PROGRESS}
    return [happening for happening in story if happening.name not in aside]


def only(story, name):
    return [happening for happening in story if happening.name == name]


def test_the_same_seed_gives_the_same_run():
    one, other = (run(Random(7), job(PRODUCT), Place(GPU_2, NOW + 1)) for _ in range(2))
    assert one == other
    assert one != run(Random(8), job(PRODUCT), Place(GPU_2, NOW + 1))


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize(("workflow", "instance"), PLACES)
def test_a_run_goes_through_all_its_nodes_and_ends_once(workflow, instance, warm):
    story = run(Random(1), job(workflow), Place(instance, NOW + 1, warm=warm))
    assert names(plain(story))[:2] == [Name.RUN_QUEUED, Name.RUN_STARTED]
    assert [name for name in names(story) if name in RUN_ENDED] == [Name.RUN_FINISHED] == names(story)[-1:]
    gone_through = [h.fields["node_id"] for h in story if h.name in {Name.NODE_FINISHED, Name.NODE_CACHED}]
    assert gone_through == list(workflow.nodes)
    started = [h.fields["node_id"] for h in only(story, Name.NODE_STARTED)]
    assert started == [h.fields["node_id"] for h in only(story, Name.NODE_FINISHED)]


@pytest.mark.parametrize(("workflow", "instance"), PLACES)
def test_time_does_not_go_back_within_a_run_and_durations_fit_in(workflow, instance):
    story = run(Random(2), job(workflow), Place(instance, NOW + 1))
    moments = [happening.at for happening in story]
    assert moments == sorted(moments)
    nodes = sum(h.fields["duration_ms"] for h in only(story, Name.NODE_FINISHED))
    whole = story[-1].fields["duration_ms"]
    assert nodes <= whole <= (moments[-1] - moments[0]) * 1000
    assert whole - nodes < 1000


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize(("workflow", "instance"), PLACES)
def test_memory_adds_up_and_fits_the_card(workflow, instance, warm):
    story = run(Random(3), job(workflow), Place(instance, NOW + 1, warm=warm))
    readings = [h.fields["vram_used_mb"] for h in story if "vram_used_mb" in h.fields]
    assert readings == sorted(readings)
    loaded = sum(h.fields["model_mb"] for h in only(story, Name.MODEL_LOADED))
    assert loaded == (0 if warm else workflow.models_mb)
    assert readings[-1] - workflow.models_mb == pytest.approx(610, abs=50)
    finished = only(story, Name.NODE_FINISHED)
    assert all(h.fields["vram_used_mb"] <= h.fields["vram_peak_mb"] <= instance.total_mb for h in finished)
    assert story[-1].fields["vram_peak_mb"] >= max(h.fields["vram_peak_mb"] for h in finished)


def test_what_does_not_change_is_cached_when_the_models_are_there():
    story = run(Random(4), job(PORTRAIT), Place(GPU_1, NOW + 1, warm=True))
    cached = {h.fields["node"] for h in only(story, Name.NODE_CACHED)}
    assert cached == {"CheckpointLoaderSimple", "LoraLoader", "CLIPTextEncode", "EmptyLatentImage"}
    executed = [h.fields["node"] for h in only(story, Name.NODE_FINISHED)]
    assert executed == ["CLIPTextEncode", "KSampler", "VAEDecode", "StudioWatermark", "SaveImage"]


def test_four_images_at_once_are_too_many_for_the_small_card():
    story = run(Random(5), opening_job(Random(5), NOW), Place(GPU_3, NOW))
    failed, said, ended = plain(story)[-3:]
    assert (failed.name, failed.level, failed.fields["node"]) == (Name.NODE_FAILED, "ERROR", "VAEDecode")
    assert failed.fields["error_type"] == "torch.OutOfMemoryError"
    assert said.fields["message"] == "Got an OOM, unloading all loaded models."
    assert (ended.name, ended.level, ended.fields["node"]) == (Name.RUN_FAILED, "WARNING", "VAEDecode")
    earlier = [h.fields["vram_used_mb"] for h in only(story, Name.NODE_FINISHED)]
    assert 9_000 < earlier[-1] < failed.fields["vram_used_mb"] <= GPU_3.total_mb
    free, tried = failed.fields["vram_free_mb"], failed.fields["tried_to_allocate_mb"]
    assert failed.fields["vram_used_mb"] + free == pytest.approx(GPU_3.total_mb, abs=1)
    assert tried > free
    memory = failed.fields["memory"]
    assert memory["device_used_mb"] + memory["device_free_mb"] == pytest.approx(GPU_3.total_mb, abs=1)
    assert {model["model"] for model in memory["models"]} >= {"AutoencoderKL"}
    message = failed.fields["error_message"]
    assert f"Tried to allocate {tried / 1024:.2f} GiB" in message
    assert "accidentally set the batch_size" in message


@pytest.mark.parametrize("seed", range(20))
def test_the_opening_run_always_fails_within_half_a_minute(seed):
    story = run(Random(seed), opening_job(Random(seed), NOW), Place(GPU_3, NOW))
    assert story[-1].name == Name.RUN_FAILED
    assert story[-1].at - NOW < 27


@pytest.mark.parametrize("instance", [GPU_1, GPU_2])
def test_the_large_cards_have_room_for_four(instance):
    story = run(Random(6), opening_job(Random(6), NOW), Place(instance, NOW))
    assert story[-1].name == Name.RUN_FINISHED
    assert len(only(story, Name.OUTPUT_SAVED)) == story[-1].fields["images"] == 4


@pytest.mark.parametrize("trouble", [troubles.DTYPE, troubles.WATERMARK])
def test_an_error_says_where_it_was(trouble):
    story = run(Random(7), job(PORTRAIT, trouble=trouble), Place(GPU_1, NOW + 1))
    failed, ended = plain(story)[-2:]
    assert (failed.name, ended.name) == (Name.NODE_FAILED, Name.RUN_FAILED)
    assert failed.fields["node"] == ended.fields["node"] == trouble.node
    fell = failure(failed.fields["traceback"])
    assert (fell.error_type, fell.error_message) == (trouble.error_type, trouble.message)
    assert fell.frames[-1].file.endswith(trouble.frames[-1][0])


@pytest.mark.parametrize("trouble", [None, troubles.DTYPE, troubles.STOPPED])
def test_a_duration_beside_a_node_is_that_nodes(trouble):
    story = run(Random(7), job(PORTRAIT, trouble=trouble), Place(GPU_1, NOW + 1))
    timed = [h.name for h in story if {"node", "duration_ms"} <= h.fields.keys()]
    assert set(timed) <= {Name.NODE_FINISHED, Name.NODE_FAILED}
    assert ("duration_ms" in story[-1].fields) is (story[-1].name == Name.RUN_FINISHED)


def test_a_run_that_is_stopped_is_no_failure():
    story = run(Random(8), job(POSTER, trouble=troubles.STOPPED), Place(GPU_1, NOW + 1))
    assert story[-1].name == Name.RUN_INTERRUPTED
    assert not [happening for happening in story if happening.level == "ERROR"]


def test_a_prompt_that_is_refused_says_why_and_never_starts():
    (refused,) = plain(run(Random(9), job(PRODUCT, trouble=troubles.MISSING_LORA), Place(GPU_1, NOW + 1)))
    assert (refused.name, refused.level) == (Name.RUN_REJECTED, "ERROR")
    assert (refused.fields["node"], refused.fields["node_id"]) == ("LoraLoader", "2")
    (wrong,) = refused.fields["node_errors"]["2"]["errors"]
    assert "film-grain" in wrong["details"]
    assert len(refused.fields["workflow_id"]) == 36


def test_a_run_that_is_lost_ends_in_the_middle_of_its_node():
    story = plain(run(Random(9), job(UPSCALE, trouble=troubles.KILLED), Place(GPU_2, NOW + 1)))
    assert names(story)[-4:] == [Name.NODE_STARTED, Name.OOM_KILLED, Name.INSTANCE_STARTED, Name.RUN_LOST] or names(
        story
    )[-5:] == [Name.NODE_STARTED, Name.MODEL_LOADED, Name.OOM_KILLED, Name.INSTANCE_STARTED, Name.RUN_LOST]
    assert story[-1].fields["node"] == "UltimateSDUpscale"


@pytest.mark.parametrize("warm", [False, True])
def test_the_curve_rises_with_loads_and_work_and_ends_with_the_run(warm):
    story = run(Random(3), job(POSTER), Place(GPU_1, NOW + 1, warm=warm, closely=True))
    curves = [h.fields["curve"] for h in only(story, Name.RESOURCES_SAMPLED)]
    at = [moment for curve in curves for moment in curve["at"]]
    vram = [mb for curve in curves for mb in curve["vram_mb"]]
    assert at == sorted(at)
    assert (at[0], at[-1]) == (round((NOW + 1) * 1000), pytest.approx(story[-1].at * 1000, abs=1500))
    assert max(later - earlier for earlier, later in pairwise(at)) < 260
    assert max(vram) == pytest.approx(story[-1].fields["vram_peak_mb"], abs=10)
    assert vram[-1] - 610 == pytest.approx(POSTER.models_mb, abs=50)
    assert all(torch <= mb for curve in curves for torch, mb in zip(curve["torch_mb"], curve["vram_mb"], strict=True))


@pytest.mark.parametrize("closely", [False, True])
def test_progress_begins_with_the_first_step_ends_with_the_last_and_keeps_its_distance(closely):
    story = run(Random(3), job(POSTER), Place(GPU_1, NOW + 1, closely=closely))
    marks = only(story, Name.NODE_PROGRESS)
    (finished,) = (h for h in only(story, Name.NODE_FINISHED) if h.fields["node"] == "KSampler")
    steps = [h.fields["value"] for h in marks]
    assert steps == sorted(set(steps))
    assert (steps[0], steps[-1], marks[0].fields["max"]) == (1, 20, 20)
    assert all(later.at - earlier.at >= 1 for earlier, later in pairwise(marks[:-1]))
    assert len(marks) <= (30 if closely else 8)
    assert marks[-1].at <= finished.at


def test_a_node_shows_what_went_in_and_what_came_out():
    story = run(Random(3), job(PORTRAIT, "x" * 80, batch=2), Place(GPU_1, NOW + 1))
    told = {h.fields["node"]: h.fields for h in only(story, Name.NODE_FINISHED)}
    assert told["KSampler"]["inputs"]["model"] == "MODEL BaseModel"
    assert told["KSampler"]["inputs"]["positive"] == "CONDITIONING 1: 1×77×768"
    assert told["KSampler"]["outputs"] == ["LATENT 2×4×96×64"]
    assert told["VAEDecode"]["outputs"] == ["Tensor 2×768×512×3 float32 cpu"]
    assert told["CheckpointLoaderSimple"]["outputs"] == ["MODEL BaseModel", "CLIP SD1ClipModel", "VAE AutoencoderKL"]
    assert told["KSampler"]["torch_peak_mb"] < told["KSampler"]["vram_peak_mb"]


def test_a_long_text_takes_eight_times_as_long_to_encode_and_is_shown_cut():
    def encoding(prompt):
        story = run(Random(10), job(POSTER, prompt), Place(GPU_1, NOW, warm=True))
        (found,) = (h for h in only(story, Name.NODE_FINISHED) if h.fields["node"] == "CLIPTextEncode")
        return found.fields

    short, long = encoding("x" * 40), encoding("x" * (LONG_TEXT + 1))
    assert long["duration_ms"] / short["duration_ms"] == pytest.approx(8, rel=0.01)
    assert (short["text_length"], long["text_length"]) == (40, LONG_TEXT + 1)
    assert short["input_text_preview"] == "x" * 40
    assert long["input_text_preview"] == "x" * PREVIEW + "…"


def test_the_graph_is_told_as_it_was_sent():
    story = run(Random(11), job(PORTRAIT, "灯", batch=2), Place(GPU_1, NOW))
    (queued,) = only(story, Name.RUN_QUEUED)
    graph = told(story, "prompt", queued.fields["prompt_sha256"])
    assert graph["3"] == {
        "class_type": "CLIPTextEncode",
        "inputs": {"clip": ["2", 1], "text": "灯"},
        "_meta": {"title": "正面提示词"},
    }
    assert {"node_id": "1", "input": "ckpt_name", "name": "portrait-sd15.safetensors"} in queued.fields["models"]
    assert graph["5"]["inputs"]["batch_size"] == 2
    assert graph["6"]["inputs"]["seed"] == queued.fields["seed"]


def told(story, kind, name):
    """The document of a story, put together from its parts."""
    parts = [h.fields for h in only(story, Name.RUN_DOCUMENT) if h.fields["kind"] == kind]
    assert [part["part"] for part in parts] == list(range(parts[0]["parts"]))
    text = "".join(part["text"] for part in parts)
    assert sha256(text) == name == parts[0]["sha256"]
    return json.loads(text)


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_the_drawing_has_every_node_at_a_place_of_its_own_and_every_link(workflow):
    story = run(Random(12), job(workflow), Place(GPU_1, NOW))
    (queued,) = only(story, Name.RUN_QUEUED)
    drawing = told(story, "workflow", queued.fields["workflow_sha256"])
    boxes = [(*node["pos"], *node["size"]) for node in drawing["nodes"]]
    assert {str(node["id"]) for node in drawing["nodes"]} == set(workflow.nodes)
    for number, (x, y, width, height) in enumerate(boxes):
        for left, top, wide, high in boxes[:number]:
            assert x >= left + wide or left >= x + width or y >= top + high or top >= y + height
    links = {(str(source), output, str(target)) for _, source, output, target, _, _ in drawing["links"]}
    wanted = {
        (value[0], value[1], node_id)
        for node_id, node in workflow.nodes.items()
        for value in node.inputs.values()
        if isinstance(value, list)
    }
    assert links == wanted
    assert all(link[5].isupper() for link in drawing["links"])


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_a_graph_is_whole_and_ordered(workflow):
    seen = set()
    for node_id, node in workflow.nodes.items():
        links = {value[0] for value in node.inputs.values() if isinstance(value, list)}
        assert links <= seen, f"{node_id} comes before what it needs"
        seen.add(node_id)
    assert 6 <= len(seen) <= 12
    assert workflow.uses("SaveImage")


def test_tom_is_the_one_who_opens():
    assert TOM.id == "tom"
