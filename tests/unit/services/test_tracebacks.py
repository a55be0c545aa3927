import traceback

import pytest

from safelight.services.tracebacks import failure


def raised(make) -> str:
    try:
        make()
    except BaseException:  # noqa: BLE001
        return traceback.format_exc()
    raise AssertionError


def from_cause():
    try:
        int("x")
    except ValueError as error:
        raise RuntimeError("two\nlines") from error


def group():
    raise ExceptionGroup("both", [ValueError("inner"), KeyError("k")])


def deep(n=0):
    return deep(n + 1)


def test_the_type_and_message_are_those_of_the_exception():
    fell = failure(raised(lambda: int("x")))
    assert fell.error_type == "ValueError"
    assert fell.error_message == "invalid literal for int() with base 10: 'x'"
    assert fell.frames[-1].function == "<lambda>"


def test_of_a_chain_it_is_the_last_exception_with_its_own_frames():
    fell = failure(raised(from_cause))
    assert (fell.error_type, fell.error_message) == ("RuntimeError", "two\nlines")
    assert [frame.function for frame in fell.frames] == ["raised", "from_cause"]


def test_of_a_group_it_is_the_group():
    fell = failure(raised(group))
    assert (fell.error_type, fell.error_message) == ("ExceptionGroup", "both (2 sub-exceptions)")


def test_a_recursion_is_read_though_its_frames_are_left_out():
    assert failure(raised(deep)).error_type == "RecursionError"


def test_a_syntax_error_is_read_though_it_has_a_frame_without_function():
    assert failure(raised(lambda: compile("(", "x.py", "exec"))).error_type == "SyntaxError"


def test_a_type_keeps_its_module():
    text = (
        'Traceback (most recent call last):\n  File "a.py", line 1, in f\ntorch.OutOfMemoryError: Allocation on device'
    )
    assert failure(text)[:2] == ("torch.OutOfMemoryError", "Allocation on device")


def test_an_exception_without_message_has_none():
    def fail():
        raise AssertionError

    assert failure(raised(fail))[:2] == ("AssertionError", None)


@pytest.mark.parametrize(
    "text", ["", "no traceback: at all?", "Traceback (most recent call last):", '  File "a", line 1, in f']
)
def test_a_torn_traceback_says_nothing_wrong(text):
    assert failure(text).error_type is None or text.startswith(failure(text).error_type)


def test_a_place_is_short_and_names_no_home():
    text = 'Traceback (most recent call last):\n  File "C:\\Users\\li\\ComfyUI\\nodes.py", line 12, in sample\nE: x'
    assert failure(text).frames[0].place == "ComfyUI/nodes.py:12 sample"
