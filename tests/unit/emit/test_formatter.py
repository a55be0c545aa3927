import json
import logging
import logging.config
import queue
import sys
from logging.handlers import QueueHandler

import pytest

import safelight_emit
from safelight_emit import JSONFormatter, bind


@pytest.fixture
def logged():
    """Logs through a formatter of the test's choice, as an application would, and returns the line as an object."""
    lines = []

    class Collect(logging.Handler):
        def emit(self, record):
            lines.append(self.format(record))

    logger = logging.Logger("shop.photo")  # noqa: LOG001 - one that nobody else listens to
    handler = Collect()
    logger.addHandler(handler)

    def log(*arguments, formatter=None, method="info", **keywords):
        handler.setFormatter(formatter or JSONFormatter(service="idphoto"))
        getattr(logger, method)(*arguments, **keywords)
        (line,) = lines
        lines.clear()
        assert "\n" not in line
        line.encode("utf-8")
        return json.loads(line)

    return log


def test_a_record_becomes_one_flat_object(logged):
    line = logged("done in %d ms", 842)
    assert list(line)[:2] == ["timestamp", "level"]
    assert line["timestamp"].endswith("Z")
    assert len(line["timestamp"]) == len("2026-11-22T10:00:00.000000Z")
    assert (line["level"], line["logger"], line["message"]) == ("INFO", "shop.photo", "done in 842 ms")
    assert (line["module"], line["func"]) == ("test_formatter", "log")
    assert line["lineno"] > 0
    assert line["service"] == "idphoto"
    assert line["host"]
    assert "error_type" not in line


def test_extra_fields_and_bound_ones_are_on_top_and_the_call_wins(logged):
    with bind(workflow_id="wf-1", user_id="ada"):
        line = logged("x", extra={"processing_time_ms": 842, "user_id": "bob", "size": {"width": 512}})
    assert (line["workflow_id"], line["user_id"], line["processing_time_ms"]) == ("wf-1", "bob", 842)
    assert line["size"] == {"width": 512}


def test_an_exception_becomes_fields(logged):
    try:
        raise ValueError("bad image")
    except ValueError:
        line = logged("failed", method="exception")
    assert (line["level"], line["error_type"], line["error_message"]) == ("ERROR", "ValueError", "bad image")
    assert line["traceback"].startswith("Traceback (most recent call last):")


def test_exc_info_without_an_exception_adds_nothing(logged):
    assert "traceback" not in logged("x", exc_info=True)


def test_a_traceback_survives_a_queue_handler(logged):
    waiting = queue.Queue()
    try:
        raise ValueError("bad image")
    except ValueError:
        record = logging.LogRecord("n", logging.ERROR, __file__, 1, "failed", (), sys.exc_info())
    QueueHandler(waiting).emit(record)
    line = json.loads(JSONFormatter().format(waiting.get()))
    assert "ValueError: bad image" in line["message"] + line.get("traceback", "")


def test_a_dictionary_as_the_message_is_taken_as_fields(logged):
    line = logged({"event": "image_processed", "processing_time_ms": 842})
    assert (line["event"], line["processing_time_ms"]) == ("image_processed", 842)


@pytest.mark.parametrize("arguments", [("%d faces", "many"), ("%s %s", "one"), ("100%", "x")])
def test_arguments_that_do_not_fit_are_shown_and_break_nothing(logged, arguments):
    line = logged(*arguments)
    assert arguments[0] in line["message"]
    assert arguments[1] in line["message"]


def test_nothing_in_a_record_breaks_it(logged):
    class Broken:
        def __repr__(self):
            raise RuntimeError("no")

    cycle = {}
    cycle["self"] = cycle
    line = logged(
        "caf\udce9 %s",
        "\x00",
        extra={"broken": Broken(), "nan": float("nan"), "cycle": cycle, "raw": b"\xff", 5: "five", "api_key": "sk"},
    )
    assert line["message"] == "caf\\udce9 \x00"
    assert (line["nan"], line["raw"], line["api_key"], line["5"]) == ("NaN", "\\xff", "***", "five")
    assert "not printable" in line["broken"]
    assert logged(Broken())["message"].startswith("<Broken, not printable")


def test_a_huge_message_is_cut_and_says_so(logged):
    line = logged("x" * 1_000_000)
    assert len(line["message"]) < 33_000
    assert "characters cut" in line["message"]


def test_the_stack_is_kept_when_asked_for(logged):
    assert "test_formatter" in logged("x", stack_info=True)["stack"]


def test_it_can_be_plain_ascii(logged):
    formatter = JSONFormatter(service="照相馆", ensure_ascii=True)
    record = logging.LogRecord("n", logging.INFO, __file__, 1, "照片 😀 \udc80", (), None)
    text = formatter.format(record)
    assert text.isascii()
    assert json.loads(text)["message"] == "照片 😀 \\udc80"


def test_it_is_configured_by_a_dictionary(tmp_path):
    path = tmp_path / "app.log"
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": {"()": "safelight_emit.JSONFormatter", "service": "idphoto", "instance": "gpu-1"}},
            "handlers": {"file": {"class": "logging.FileHandler", "filename": str(path), "formatter": "json"}},
            "loggers": {"dict.configured": {"handlers": ["file"], "level": "INFO", "propagate": False}},
        }
    )
    logger = logging.getLogger("dict.configured")
    logger.info("hello")
    for handler in logger.handlers:
        handler.close()
    logger.handlers.clear()
    line = json.loads(path.read_text())
    assert (line["message"], line["service"], line["instance"]) == ("hello", "idphoto", "gpu-1")


def test_it_takes_the_identity_of_the_process_where_it_has_none_of_its_own(spool, logged):
    safelight_emit.configure(service="process", environment="production", directory=spool.path)
    line = logged("x", formatter=JSONFormatter())
    assert (line["service"], line["environment"]) == ("process", "production")
