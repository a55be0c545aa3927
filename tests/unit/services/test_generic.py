import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.services import GENERIC, profile
from safelight.services.comfyui import understand as understand_comfyui
from safelight.services.generic import understand


@pytest.mark.parametrize(
    ("line", "level", "stamp", "message"),
    [
        ("[ERROR] 2024-05-13 14:22:31 Failed to decode", "ERROR", "2024-05-13 14:22:31", "Failed to decode"),
        ("[2025-04-05 10:30] refused", "INFO", "2025-04-05 10:30", "refused"),
        ("2025-04-05 10:30:15,120 ERROR app.io: text", "ERROR", "2025-04-05 10:30:15,120", "text"),
        ("2025-04-05 10:30:15,120 - app - WARNING - text", "WARNING", "2025-04-05 10:30:15,120", "text"),
        ("2025-04-05 10:30:15 [warning ] text", "WARNING", "2025-04-05 10:30:15", "text"),
        ("2025-04-05T10:30:15.5+08:00 text", "INFO", "2025-04-05T10:30:15.5+08:00", "text"),
        ("ERROR:root:text", "ERROR", None, "text"),
        ("warning: text", "WARNING", None, "text"),
        ("CRITICAL text", "CRITICAL", None, "text"),
        ("2025-04-05 10:30:15.120 | DEBUG    | a.b:f:4 - text", "DEBUG", "2025-04-05 10:30:15.120", "text"),
        ("May 13 14:22:31 gpu app[12]: text", "INFO", "May 13 14:22:31", "text"),
        ("<3>May  3 14:22:31 gpu app: text", "ERROR", "May  3 14:22:31", "text"),
        ("\x1b[31m[ERROR]\x1b[0m text", "ERROR", None, "text"),
        ("information is no level", "INFO", None, "information is no level"),
        ("[ERROR] model: missing", "ERROR", None, "model: missing"),
        ("errors happen", "INFO", None, "errors happen"),
        ("", "INFO", None, ""),
    ],
)
def test_the_usual_forms_give_level_time_and_message(line, level, stamp, message):
    fields = understand(line)
    assert (fields["level"], fields.get("timestamp"), fields["message"]) == (level, stamp, message)


def test_where_a_line_came_from_is_kept():
    assert understand("2025-04-05 10:30:15,120 ERROR app.io: x")["attributes"] == {"logger": "app.io"}
    syslog = understand("May 13 14:22:31 gpu app[12]: x")
    assert (syslog["host"], syslog["attributes"]) == ("gpu", {"program": "app"})


def test_a_traceback_goes_into_columns_of_its_own():
    fields = understand(
        "ERROR:app:no\nTraceback (most recent call last):\n  File \"/srv/a/b.py\", line 3, in f\nKeyError: 'k'"
    )
    assert (fields["message"], fields["error_type"], fields["error_message"]) == ("no", "KeyError", "'k'")
    assert fields["traceback"].startswith("Traceback")
    assert fields["attributes"] == {"logger": "app", "frame": "a/b.py:3 f"}


def test_a_traceback_alone_is_an_error_named_by_its_exception():
    fields = understand('Traceback (most recent call last):\n  File "b.py", line 3, in f\nValueError: bad')
    assert (fields["level"], fields["message"]) == ("ERROR", "ValueError: bad")


def test_of_a_progress_bar_only_the_last_state_is_kept():
    fields = understand("\r  0%|          | 0/2 [00:00<?, ?it/s]\r 50%|█████     | 1/2 [00:00<00:00,  8.11it/s]\r")
    assert (fields["level"], fields["event"]) == ("DEBUG", "progress")
    assert fields["attributes"]["progress"] == {"percent": 50, "value": "1", "max": "2"}


def test_a_python_warning_is_a_warning():
    assert understand("/srv/a.py:51: UserWarning: slow")["level"] == "WARNING"


@pytest.mark.parametrize("name", [None, "", "no such service"])
def test_an_unknown_service_has_the_generic_profile(name):
    assert profile(name) is GENERIC


def test_a_profile_is_found_whatever_the_case():
    assert profile("ComfyUI").name == "comfyui"


PHRASES = st.sampled_from(
    [
        *(
            "[ERROR] ",
            "2025-04-05 10:30:15 ",
            "!!! Exception during processing !!! ",
            "\x1b[31m",
            "\r",
            "\n",
            "5%|",
            "00:01:",
        ),
        *("Traceback (most recent call last):\n", '  File "a.py", line 1, in f\n', "ValueError: ", "<11>1 ", "ERROR:"),
        *("invalid prompt: {", "Prompt executed in ", "1.2.3 seconds", "9" * 5000, "loaded completely 1.2.3 True"),
        *("Cannot import x module for custom nodes: ", "* A 1:\n", "  - r\n", "Failed to validate prompt for output"),
    ]
)


@settings(max_examples=300)
@given(
    st.lists(PHRASES | st.text(max_size=20), max_size=8).map("".join), st.sampled_from([understand, understand_comfyui])
)
def test_any_text_has_a_level_and_a_message(text, grammar):
    fields = grammar(text)
    assert isinstance(fields["message"], str)
    assert fields["level"] in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}
    assert isinstance(fields.get("attributes", {}), dict)


@pytest.mark.parametrize("grammar", [understand, understand_comfyui])
@pytest.mark.parametrize(
    "text", ["a" * 200_000, " " * 200_000, "[" * 200_000, "1" * 200_000, "%|" * 50_000, "a: " * 60_000]
)
def test_long_lines_are_read_in_a_moment(grammar, text):
    assert grammar(text)["level"] == "INFO"
