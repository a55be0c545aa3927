import datetime as dt
import decimal
import enum
import json
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight_emit.plain import MAX_DEPTH, MAX_TEXT, MAX_VALUES, cut, error_fields, is_secret, plain, snapshot


class Colour(enum.Enum):
    RED = 1


class Size(str, enum.Enum):  # noqa: UP042 - as it was written before Python 3.11
    ONE_INCH = "1-inch"


class Broken:
    def __repr__(self):
        raise RuntimeError("no")


class FakeTensor:
    __module__ = "torch"
    shape = (1, 4, 64, 64)
    dtype = "torch.float16"

    def __repr__(self):
        raise AssertionError("repr of a tensor allocates GPU memory")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True),
        (float("nan"), "NaN"),
        (float("-inf"), "-Infinity"),
        (2**64 - 1, 2**64 - 1),
        pytest.param(10**5000, "<int, 16610 bits>", id="huge"),
        (Size.ONE_INCH, "1-inch"),
        (Colour.RED, "Colour.RED"),
        ("\ud83d", "\\ud83d"),
        (b"caf\xe9", "caf\\xe9"),
        ((1, {2}), [1, [2]]),
        ({1: "a", None: "b"}, {"1": "a", "None": "b"}),
        (decimal.Decimal("1.5"), "1.5"),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (dt.date(2026, 11, 22), "2026-11-22"),
        (ValueError("bad"), "ValueError('bad')"),
        (Broken(), "<Broken, not printable: RuntimeError>"),
        (FakeTensor(), "<FakeTensor, shape (1, 4, 64, 64), torch.float16>"),
        ({"headers": {"Authorization": "Bearer x"}}, {"headers": {"Authorization": "***"}}),
    ],
)
def test_a_value_becomes_plain_data(value, expected):
    assert plain(value) == expected


def test_a_scalar_of_numpy_is_a_number():
    class Float32:
        __module__ = "numpy"
        shape = ()
        dtype = "float32"

        def item(self):
            return 1.5

    assert plain(Float32()) == 1.5


def test_a_cycle_ends_at_the_depth_limit():
    cycle: list[object] = []
    cycle.append(cycle)
    text = json.dumps(plain(cycle))
    assert text.count("[") == MAX_DEPTH
    assert "<list, 1 items>" in text


def test_a_container_keeps_what_the_budget_allows_and_counts_the_rest():
    assert plain(list(range(MAX_VALUES * 2)))[-1] == f"… {MAX_VALUES + 1} more"
    assert plain({str(number): number for number in range(MAX_VALUES * 2)})["…"] == f"{MAX_VALUES + 1} more"


def test_a_self_similar_container_cannot_explode():
    value: list[object] = []
    for _ in range(20):
        value = [value] * 20
    assert len(json.dumps(plain(value))) < 100 * MAX_VALUES


def test_a_long_text_is_cut_in_the_middle_and_says_so():
    text = cut("a" * MAX_TEXT + "z" * 10)
    assert text.startswith("a")
    assert text.endswith("z" * 10)
    assert "10 characters cut" in text


@pytest.mark.parametrize(
    "name",
    [
        *("api_key", "apiKey", "X-Api-Key", "password", "dbPassword", "password_hash", "access_token", "token"),
        *("secret", "client_secret", "Authorization", "proxy-authorization", "Set-Cookie", "webhook_url"),
        *("private_key", "auth"),
    ],
)
def test_names_that_hold_secrets_are_known(name):
    assert is_secret(name)


@pytest.mark.parametrize(
    "name",
    ["tokens", "max_tokens", "token_count", "tokenizer", "author", "key", "keyframes", "secretary", "passed", "monkey"],
)
def test_names_that_only_look_like_secrets_are_left_alone(name):
    assert not is_secret(name)


def test_a_snapshot_is_out_of_reach_of_later_changes():
    size, steps = {"width": 512}, [1, 2]
    copy = snapshot({"size": size, "steps": steps, "name": "x"})
    size["width"] = 0
    steps.clear()
    assert copy == {"size": {"width": 512}, "steps": [1, 2], "name": "x"}


def test_an_exception_becomes_three_fields_with_its_causes():
    try:
        try:
            raise KeyError("inner")
        except KeyError as inner:
            raise ValueError("outer") from inner
    except ValueError as error:
        fields = error_fields(type(error), error, error.__traceback__)
    assert fields["error_type"] == "ValueError"
    assert fields["error_message"] == "outer"
    assert fields["traceback"].startswith("Traceback")
    assert "KeyError: 'inner'" in fields["traceback"]
    assert fields["traceback"].endswith("ValueError: outer")


def test_an_exception_that_cannot_be_printed_still_becomes_fields():
    class Mute(Exception):
        def __str__(self):
            raise RuntimeError("no")

    fields = error_fields(Mute, Mute(), None)
    assert fields["error_type"] == "Mute"
    assert fields["error_message"] == "<Mute, not printable>"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.builds(Broken),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.integers(), inner, max_size=4),
    max_leaves=30,
)


@given(anything)
def test_whatever_comes_in_strict_json_comes_out(value):
    json.dumps(plain(value), allow_nan=False).encode("utf-8", "strict")


@given(st.dictionaries(st.text(), anything, max_size=5))
def test_a_snapshot_says_what_a_thorough_copy_says(fields):
    from safelight_emit.encode import to_json

    assert json.loads(to_json(snapshot(fields))) == json.loads(to_json({n: plain(v) for n, v in fields.items()}))
