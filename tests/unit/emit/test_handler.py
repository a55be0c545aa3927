import logging
import logging.config

import pytest

from safelight_emit import SpoolHandler, bind, flush


@pytest.fixture
def logger():
    logger = logging.Logger("shop")  # noqa: LOG001 - one that nobody else listens to
    logger.addHandler(SpoolHandler())
    return logger


def test_records_reach_the_spool_with_everything_the_formatter_writes(spool, logger):
    with bind(request_id="r-1"):
        try:
            raise ValueError("bad")
        except ValueError:
            logger.exception("failed %s", "badly", extra={"size": [1]})
    assert flush(60)
    (line,) = spool.events
    assert list(line)[:3] == ["timestamp", "id", "level"]
    assert (line["level"], line["logger"], line["message"]) == ("ERROR", "shop", "failed badly")
    assert (line["service"], line["request_id"], line["size"]) == ("test", "r-1", [1])
    assert (line["error_type"], line["error_message"]) == ("ValueError", "bad")
    assert "event" not in line


def test_the_time_is_that_of_the_record(spool, logger):
    record = logger.makeRecord("shop", logging.INFO, __file__, 1, "x", (), None)
    record.created = 1_795_341_600.5
    logger.handle(record)
    assert flush(60)
    assert spool.events[0]["timestamp"] == "2026-11-22T10:00:00.500000Z"


def test_a_record_it_cannot_read_is_nobodys_trouble(spool, capsys):
    SpoolHandler().emit(object())
    assert capsys.readouterr() == ("", "")


def test_it_is_configured_by_a_dictionary(spool):
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "handlers": {"spool": {"class": "safelight_emit.SpoolHandler", "level": "WARNING"}},
            "loggers": {"dict.spooled": {"handlers": ["spool"], "propagate": False}},
        }
    )
    logger = logging.getLogger("dict.spooled")
    logger.info("below")
    logger.warning("above")
    logger.handlers.clear()
    assert flush(60)
    assert [line["message"] for line in spool.events] == ["above"]
