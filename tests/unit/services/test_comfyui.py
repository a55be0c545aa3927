import pytest

from safelight.services.comfyui import understand

TRACEBACK = """Traceback (most recent call last):
  File "/srv/ComfyUI/execution.py", line 496, in execute
    output_data = await get_output_data(prompt_id, unique_id, obj)
  File "/srv/ComfyUI/comfy_api/latest/_io.py", line 1935, in EXECUTE_NORMALIZED
    to_return = cls.execute(*args, **kwargs)
  File "/srv/ComfyUI/custom_nodes/upscalers/tiles.py", line 30, in upscale
    return F.pad(image)
  File "/srv/venv/lib/python3.11/site-packages/torch/nn/functional.py", line 5823, in pad
    return torch._C._nn.pad(input)
"""


@pytest.mark.parametrize(
    ("line", "event", "level"),
    [
        ("got prompt", "prompt_received", "INFO"),
        ("\x1b[32m[INFO]\x1b[0m got prompt", "prompt_received", "INFO"),
        ("Processing interrupted", "run_interrupted", "INFO"),
        ("Got an OOM, unloading all loaded models.", "models_unloaded", "WARNING"),
        ("[ERROR] Got an OOM, unloading all loaded models.", "models_unloaded", "WARNING"),
        ("Starting server", "log", "INFO"),
        ("WARNING: some comfy_extras/ nodes did not import correctly.", "log", "WARNING"),
        ("[DEBUG] got prompt", "prompt_received", "DEBUG"),
    ],
)
def test_known_lines_have_names(line, event, level):
    fields = understand(line)
    assert (fields["event"], fields["level"]) == (event, level)


@pytest.mark.parametrize(
    ("line", "milliseconds"),
    [
        ("Prompt executed in 0.08 seconds", 80),
        ("Prompt executed in 00:10:23", 623_000),
        ("\x1b[32m[INFO]\x1b[0m \x1b[32mPrompt executed in 1.53 seconds\x1b[0m", 1530),
        ("tile 3 of 9...Prompt executed in 2.00 seconds", 2000),
    ],
)
def test_the_end_of_a_prompt_claims_no_success(line, milliseconds):
    fields = understand(line)
    assert (fields["event"], fields["duration_ms"]) == ("prompt_ended", milliseconds)


@pytest.mark.parametrize(
    ("line", "attributes"),
    [
        ("ComfyUI version: 0.3.64", {"comfyui_version": "0.3.64"}),
        ("Device: cuda:0 NVIDIA RTX 4090 : native", {"device": "cuda:0 NVIDIA RTX 4090 : native"}),
        ("Total VRAM 24106 MB, total RAM 64000 MB", {"vram_total_mb": 24106, "ram_total_mb": 64000}),
        ("Requested to load SDXL", {"model": "SDXL"}),
        ("loaded completely;  235.84 MB loaded, full load: True", {"extent": "completely", "loaded_mb": 235.84}),
        ("loaded completely 9.5e+25 235.84 True", {"extent": "completely", "loaded_mb": 235.84}),
        ("To see the GUI go to: http://127.0.0.1:8188", {"url": "http://127.0.0.1:8188"}),
    ],
)
def test_what_a_line_tells_becomes_attributes(line, attributes):
    assert understand(line)["attributes"] == attributes


def test_a_failed_node_has_its_error_and_where_its_function_is_but_no_guessed_class():
    fields = understand(f"!!! Exception during processing !!! no room\n{TRACEBACK}torch.OutOfMemoryError: no room")
    assert (fields["event"], fields["level"]) == ("node_failed", "ERROR")
    assert (fields["error_type"], fields["error_message"]) == ("torch.OutOfMemoryError", "no room")
    assert fields["attributes"] == {
        "node_function": "upscalers/tiles.py:30 upscale",
        "frame": "upscalers/tiles.py:30 upscale",
        "node_pack": "upscalers",
    }
    assert "node" not in fields


def test_what_a_node_printed_before_its_failure_is_kept_apart():
    fields = understand("tile 3...[ERROR] !!! Exception during processing !!! broken")
    assert fields["message"] == "!!! Exception during processing !!! broken"
    assert fields["attributes"] == {"before": "tile 3..."}


def test_a_failure_without_traceback_still_has_its_message():
    assert understand("!!! Exception during processing !!! broken")["error_message"] == "broken"


def test_a_rejected_prompt_names_the_node_its_id_and_all_reasons():
    fields = understand(
        "[ERROR] Failed to validate prompt for output 5:\n[ERROR] * ImageScale 2:\n[ERROR]   - Value -4 smaller\n"
        "[ERROR]   - Value not in list\n[ERROR] Output will be ignored\n"
        "[WARNING] invalid prompt: {'type': 'prompt_outputs_failed_validation', 'message': 'Failed', 'details': ''}"
    )
    assert (fields["event"], fields["node"], fields["node_id"]) == ("run_rejected", "ImageScale", "2")
    assert fields["error_message"] == "Value -4 smaller\nValue not in list"
    assert fields["level"] == "ERROR"


def test_an_output_left_out_of_a_prompt_that_runs_is_no_rejection():
    fields = understand("Failed to validate prompt for output 5:\n* (prompt):\n  - Required input is missing: images")
    assert fields["event"] == "validation_failed"


@pytest.mark.parametrize("verdict", ["{'type': 1", "[]", "{}", "x", "{'type': 't', 'message': 'm', 'extra_info': 5}"])
def test_a_verdict_of_another_form_is_a_rejection_all_the_same(verdict):
    fields = understand(f"invalid prompt: {verdict}")
    assert fields["event"] == "run_rejected"
    assert fields["error_message"]


def test_a_node_pack_that_cannot_be_imported_is_one_warning():
    fields = understand(
        f"{TRACEBACK}OSError: no file\n\nCannot import /srv/custom_nodes/p module for custom nodes: no file"
    )
    assert (fields["event"], fields["level"], fields["error_type"]) == ("node_pack_failed", "WARNING", "OSError")
    assert fields["attributes"] == {"path": "/srv/custom_nodes/p", "node_pack": "p"}


def test_a_message_of_two_lines_is_free_of_the_time_that_stands_before_its_traceback():
    fields = understand(
        "[2026-11-22 13:21:01.000] !!! Exception during processing !!! first\nsecond\n[2026-11-22 13:21:01.000] "
        'Traceback (most recent call last):\n  File "x.py", line 1, in f\nValueError: first\nsecond'
    )
    assert fields["message"] == "!!! Exception during processing !!! first\nsecond"
    assert fields["error_message"] == "first\nsecond"
