import json
import logging
import logging.config
import os
from datetime import datetime

import pytest

from safelight_emit import JSONFileHandler

NOON = datetime(2026, 11, 22, 12).timestamp()  # noqa: DTZ001 - the handler's days are local


def record(number, created=NOON, text=""):
    made = logging.LogRecord("n", logging.INFO, __file__, 1, f"{number} {text}".strip(), (), None)
    made.created = created
    return made


@pytest.fixture
def handler(tmp_path):
    made = []

    def handler(**settings):
        made.append(JSONFileHandler(tmp_path / "logs" / "app.log", service="s", **settings))
        return made[-1]

    yield handler
    for one in made:
        one.close()


def numbers(path):
    return [json.loads(line)["message"].split()[0] for line in path.read_text("utf-8").splitlines()]


def names(tmp_path):
    return sorted(path.name for path in (tmp_path / "logs").iterdir())


def test_it_writes_json_lines_and_makes_its_folder(handler, tmp_path):
    handler().handle(record(1, text="照片"))
    line = json.loads((tmp_path / "logs" / "app.log").read_text("utf-8"))
    assert (line["message"], line["service"]) == ("1 照片", "s")


def test_it_rotates_by_size_keeps_so_many_and_loses_only_the_oldest(handler, tmp_path):
    one = handler(max_bytes=1000, backups=2)
    for number in range(12):
        one.handle(record(number, text="x" * 300))
    assert names(tmp_path) == ["app.log", "app.log.1", "app.log.2"]
    kept = [n for name in ("app.log.2", "app.log.1", "app.log") for n in numbers(tmp_path / "logs" / name)]
    assert kept == [str(number) for number in range(12 - len(kept), 12)]
    assert all((tmp_path / "logs" / name).stat().st_size <= 1000 for name in names(tmp_path))


def test_it_rotates_on_a_new_day_once(handler, tmp_path):
    one = handler()
    for number, created in enumerate([NOON, NOON + 86_400, NOON + 86_401, NOON + 86_399]):
        one.handle(record(number, created))
    assert numbers(tmp_path / "logs" / "app.log.1") == ["0"]
    assert numbers(tmp_path / "logs" / "app.log") == ["1", "2", "3"]


def test_a_restart_goes_on_in_todays_file_and_rotates_yesterdays(handler, tmp_path):
    path = tmp_path / "logs" / "app.log"
    for number, age in enumerate([0, 10, 86_400]):
        one = handler()
        one.handle(record(number, NOON + age))
        one.close()
        os.utime(path, (NOON + age, NOON + age))
    assert numbers(tmp_path / "logs" / "app.log.1") == ["0", "1"]
    assert numbers(path) == ["2"]


def test_without_backups_the_file_starts_anew(handler, tmp_path):
    one = handler(max_bytes=500, backups=0)
    for number in range(5):
        one.handle(record(number, text="x" * 300))
    assert names(tmp_path) == ["app.log"]
    assert numbers(tmp_path / "logs" / "app.log") == ["4"]


def test_a_file_that_may_not_be_renamed_is_written_on(handler, tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError("in use")

    one = handler(max_bytes=500)
    monkeypatch.setattr(os, "replace", refuse)
    for number in range(3):
        one.handle(record(number, text="x" * 300))
    assert numbers(tmp_path / "logs" / "app.log") == ["0", "1", "2"]


def test_it_is_configured_by_a_dictionary(tmp_path):
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {
                "file": {
                    "class": "safelight_emit.JSONFileHandler",
                    "filename": str(tmp_path / "app.log"),
                    "max_bytes": 10_000_000,
                    "backups": 5,
                    "service": "idphoto",
                }
            },
            "loggers": {"dict.filed": {"handlers": ["file"], "level": "INFO", "propagate": False}},
        }
    )
    logger = logging.getLogger("dict.filed")
    logger.info("hello")
    logger.handlers[0].close()
    logger.handlers.clear()
    assert json.loads((tmp_path / "app.log").read_text())["service"] == "idphoto"
