import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.batch import Batch
from safelight.processors.fingerprint import LONGEST, fingerprint, group_of, normalised
from safelight.services.failures import names, plain


def groups(*rows):
    return fingerprint(Batch.of(rows))["error_group"].to_pylist()


def test_only_failures_get_a_group_and_those_that_have_one_keep_it():
    assert groups(
        {"level": "INFO", "message": "fine"},
        {"level": "WARNING", "message": "hm"},
        {"level": "ERROR", "message": "broken"},
        {"level": "INFO", "error_type": "ValueError", "error_message": "bad"},
        {"level": "ERROR", "message": "broken", "error_group": "mine"},
    ) == [None, None, "error:broken", "ValueError:bad", "mine"]


def test_a_batch_without_failures_passes_untouched():
    batch = Batch.of([{"level": "INFO", "message": "fine"}])
    assert fingerprint(batch) is batch


@pytest.mark.parametrize(
    ("error_type", "said"),
    [
        ("torch.OutOfMemoryError", "Allocation on device "),
        ("torch.cuda.OutOfMemoryError", "GPU 显存不足"),
        ("RuntimeError", "CUDA out of memory. Tried to allocate 218.96 GiB"),
        (None, "MPS backend out of memory (MPS allocated: 39.50 GiB)"),
        ("RuntimeError", "HIP out of memory. Tried to allocate 2 GiB"),
        (None, "CUDA error: out of memory"),
        (None, "CUDA out of memory when decoding latent tensor (size: 512x512x4)"),
        ("RuntimeError", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_memory_of_the_gpu_is_a_family_whatever_the_words(error_type, said):
    assert group_of(error_type=error_type, error_message=said, node="VAEDecode") == "gpu_oom:VAEDecode"


@pytest.mark.parametrize(
    ("error_type", "said"),
    [
        ("MemoryError", "out of memory"),
        (
            "RuntimeError",
            "[enforce fail at alloc_cpu.cpp:115] DefaultCPUAllocator: not enough memory: you tried to allocate 3.",
        ),
        ("ValueError", "the prompt speaks of a memory out of this world"),
    ],
)
def test_memory_of_the_host_is_not(error_type, said):
    assert not group_of(error_type=error_type, error_message=said).startswith("gpu_oom")


def test_without_a_node_the_failing_function_is_the_scope():
    where = '{"node_function":"ComfyUI/nodes.py:1525 sample"}'
    assert group_of(error_type="torch.OutOfMemoryError", attributes=where) == "gpu_oom:ComfyUI/nodes.py:sample"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("shapes cannot be multiplied (77x2048 and 768x320)", "shapes cannot be multiplied (9x35 and 4x5)"),
        ("cannot identify <_io.BytesIO object at 0x000002AB9549C090>", "cannot identify <_io.BytesIO object at 0x1F>"),
        ("No such file: '/home/li/models/a.safetensors'", "No such file: 'E:\\\\AI\\\\models\\\\b.safetensors'"),
        ("run 0b7c41aa-7d2e-4f6e-9a51-0b7c41aa7d2e failed", "run 1b7c41aa-7d2e-4f6e-9a51-0b7c41aa7d2f failed"),
        ("took 3.5 s, 12 MiB", "took 12 s, 4.25 MiB"),
        ("RuntimeError: bad input", "bad input\nwith more lines"),
        ("图片 12 损坏", "图片 345 损坏"),
        ("fetch https://a.example/x?y=1 failed", "fetch https://b.example failed"),
    ],
)  # fmt: skip
def test_what_changes_from_run_to_run_does_not_count(one, other):
    assert normalised(one) == normalised(other)


def test_different_failures_stay_apart():
    said = ["the mask is empty", "the mask is too small", "the image is empty"]
    assert len({group_of(error_type="ValueError", error_message=text) for text in said}) == 3


@pytest.mark.parametrize(
    ("failure", "group"),
    [
        ({"error_message": "[Errno 28] No space left on device", "node": "SaveImage"}, "disk_full"),
        ({"error_message": "No module named 'cv2'", "error_type": "ModuleNotFoundError"}, "missing_dependency:cv2"),
        ({"message": "Failed to decode image: truncated"}, "bad_input_image"),
        ({"error_type": "ValueError", "error_message": "out of love", "message": "显存不足"}, "ValueError:out of love"),
    ],
    ids=["machine", "thing", "plain line", "its own words count"],
)  # fmt: skip
def test_a_known_failure_is_grouped_by_what_it_is_about(failure, group):
    assert group_of(**failure) == group


def test_a_failure_that_says_nothing_is_told_apart_by_where_it_was_raised():
    trace = 'Traceback (most recent call last):\n  File "/srv/pack/%s.py", line 3, in run\n    assert x\nAssertionError'
    groups = [group_of(error_type="AssertionError", node="Foo", traceback=trace % name) for name in ("a", "b")]
    assert groups == ["AssertionError:Foo:pack/a.py:run", "AssertionError:Foo:pack/b.py:run"]
    where = '{"node_function":"pack/a.py:3 run"}'
    assert group_of(error_type="AssertionError", traceback=trace % "a", attributes=where) == (
        "AssertionError:pack/a.py:run"
    )


def test_one_exception_under_two_names_is_one():
    same = {"error_message": "CUDA error: unspecified launch failure"}
    assert group_of(error_type="torch.AcceleratorError", **same) == group_of(error_type="RuntimeError", **same)


@given(st.text(max_size=300), st.none() | st.text(max_size=10), st.none() | st.text(max_size=20))
def test_any_failure_has_a_group_of_bounded_length(said, node, attributes):
    group = group_of(error_type="E", error_message=said, node=node, attributes=attributes)
    assert group.partition(":")[0] in {"E", *names()}
    assert len(normalised(said)) <= LONGEST
    assert "\n" not in normalised(said)


PLAINLY = [
    (r"(?i)\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", "<id>"),
    (r"https?://\S+", "<url>"),
    (r"(?:[A-Za-z]:[\\/]|(?<![\w.])[~.]{0,2}/)[^\s'\",;:()\[\]]+", "<path>"),
    (r"(?i)\b0x[0-9a-f]+\b", "<hex>"),
    (r"(?i)\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{8,}\b", "<hex>"),
    (r"[\w\-.]+\.(?:safetensors|ckpt|pth?|bin|gguf|onnx|png|jpe?g|webp|gif|mp4|json|yaml)\b", "<file>"),
    (r"(?i)\b\d+(?:\.\d+)?(?:\s?(?:[KMGT]i?B|bytes|ms|s|%))?(?![\w.])", "<n>"),
    (r"\b\d+(?:x\d+)+\b|\d{2,}", "<n>"),
    (r"\[[^\[\]]{40,}\]", "[...]"),
]
# fmt: off
PIECES = [
    "0", "7", "12", "345", "x", "0x", "0X1f", ".", "-", " ", "_", "/", "C:\\", "C:/", "~/", "../", "http://", "s",
    "Ki", "B", "GiB", "%", "ms", "abcdef", "deadbeef", "a1b2c3d4", "ABCD", "0b7c41aa-7d2e-4f6e-9a51-0b7c41aa7d2e",
    ".safetensors", ".PNG", "jpeg", ".json", "[", "]", "tensor of 16 and 17 ", "层", "٣", "ſ", "K", "İ", "é", ":", ",",
]
# fmt: on


@given(pieces=st.lists(st.sampled_from(PIECES), max_size=14))
def test_what_changes_is_taken_out_as_if_each_pattern_was_searched_for_plainly(pieces):
    line = "".join(pieces)
    expected = plain(line)
    for pattern, stand_in in PLAINLY:
        expected = re.sub(pattern, stand_in, expected)
    assert normalised(line) == " ".join(expected.split())[:LONGEST].rstrip(" .:,;")
