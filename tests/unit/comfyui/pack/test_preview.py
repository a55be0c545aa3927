"""Inputs and outputs in a few characters, whatever they are, without waiting for a device."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st


class Tensor:
    """Looks like torch's; counts how often its values are looked at."""

    def __init__(self, shape=(1, 512, 512, 3), device="cpu", values=(0.0, 0.98), nans=0):
        self.shape, self.dtype = shape, "torch.float32"
        self.device = type("Device", (), {"type": device.partition(":")[0], "__str__": lambda _: device})()
        self.values, self.nans = values, nans
        self.looked_at = 0

    def numel(self):
        count = 1
        for side in self.shape:
            count *= side
        return count

    def detach(self):
        self.looked_at += 1
        return self

    def is_floating_point(self):
        return True

    def __ne__(self, other):
        return SimpleNamespace(sum=lambda: self.nans)

    __hash__ = None

    def min(self):
        return SimpleNamespace(item=lambda: self.values[0])

    def max(self):
        return SimpleNamespace(item=lambda: self.values[1])


class Patcher:
    """What ComfyUI passes for a model."""

    load_device = "cuda:0"

    def __init__(self, model):
        self.model = model


class SDXL:
    """A model."""


LONG = "a portrait of a woman in a darkroom, developing " + "x" * 364


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (0.5, 0.5),
        (float("nan"), "nan"),
        (1 << 100, "int of 101 bits"),
        ("short", "short"),
        (LONG, f"{LONG[:50]}… (412 characters)"),
        (b"1234", "bytes, 4 bytes"),
        (Tensor(device="cuda:0"), "Tensor 1×512×512×3 float32 cuda:0"),
        (Tensor(shape=()), "Tensor scalar float32 cpu"),
        ({"samples": Tensor((1, 4, 64, 64))}, "LATENT 1×4×64×64"),
        ({"waveform": Tensor((1, 2, 44_100)), "sample_rate": 44_100}, "AUDIO 1×2×44100 at 44100 Hz"),
        ([[Tensor((1, 77, 768)), {"pooled_output": None}]], "CONDITIONING 1: 1×77×768"),
        (Patcher(SDXL()), "MODEL SDXL"),
        (SimpleNamespace(cond_stage_model=SDXL()), "CLIP SDXL"),
        (SimpleNamespace(first_stage_model=SDXL()), "VAE SDXL"),
        ([], "list, empty"),
        ({}, "dict, empty"),
        ([1, "two", [3, 4]], "list of 3: 1, two, list of 2"),
        ({"a": 1, "b": 2}, "dict of 2: a, b"),
        (set("a"), "set of 1: a"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_is_told_shortly(pack, value, told):
    assert pack.preview.preview(value) == told


def test_texts_can_be_kept_to_their_length(pack):
    told = pack.preview.inputs({"text": LONG, "names": ["a secret place"]}, texts=False)
    assert told["text"] == "text, 412 characters"
    assert "secret" not in told["names"]


def test_a_value_whose_name_says_that_it_is_secret_is_hidden(pack):
    told = pack.preview.inputs({"api_key": "sk-1234", "auth_token": 5, "password": None, "max_tokens": 9})
    assert told == {"api_key": "***", "auth_token": "***", "password": None, "max_tokens": 9}


def test_tensors_are_looked_into_only_when_asked(pack):
    tensor = Tensor()
    assert pack.preview.inputs({"image": tensor}) == {"image": "Tensor 1×512×512×3 float32 cpu"}
    assert tensor.looked_at == 0
    assert pack.preview.inputs({"image": tensor}, tensor_values=True) == {
        "image": "Tensor 1×512×512×3 float32 cpu 0…0.98"
    }


def test_a_tensor_on_a_device_is_never_looked_into(pack):
    tensor = Tensor(device="cuda:0")
    pack.preview.inputs({"image": tensor}, tensor_values=True)
    assert tensor.looked_at == 0


def test_a_large_tensor_is_never_looked_into(pack):
    tensor = Tensor(shape=(4_000_001,))
    pack.preview.inputs({"image": tensor}, tensor_values=True)
    assert tensor.looked_at == 0


def test_what_is_no_number_is_counted(pack):
    (told,) = pack.preview.outputs([{"samples": Tensor((1, 4, 2, 2), nans=3)}], tensor_values=True)
    assert told == "LATENT 1×4×2×2 NaN (3 of 16)"


def test_a_tensor_that_cannot_be_asked_is_told_by_its_shape(pack):
    class Sparse(Tensor):
        def is_floating_point(self):
            raise NotImplementedError

    assert pack.preview.preview(Sparse(), tensor_values=True) == "Sparse 1×512×512×3 float32 cpu"


def test_a_type_that_raises_from_everything_is_told_by_its_name(pack):
    class Hostile:
        def __getattribute__(self, name):
            raise RuntimeError(name)

    assert pack.preview.outputs([Hostile()]) == ["Hostile"]


def test_no_more_than_fifty_inputs_are_told(pack):
    told = pack.preview.inputs({f"i{number}": number for number in range(60)})
    assert len(told) == 51
    assert told["…"] == "10 more"


@pytest.mark.parametrize("strange", [None, 5, "text"])
def test_what_is_no_mapping_has_no_inputs(pack, strange):
    assert pack.preview.inputs(strange) == {}


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=20,
)


@settings(max_examples=60)
@given(value=_values)
def test_whatever_it_is_the_preview_is_small_json(pack, value):
    told = pack.preview.preview(value)
    assert len(json.dumps(told, ensure_ascii=False, allow_nan=False).encode()) <= 900
