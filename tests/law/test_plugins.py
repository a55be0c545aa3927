"""The laws that every plugin keeps, run for every plugin there is: a new one is tested by being there."""

from __future__ import annotations

import copy
import inspect
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from safelight.batch import SCHEMA, Batch
from safelight.channels import Channel
from safelight.locales import LANGUAGES
from safelight.plugin import kinds
from safelight.processors import Processor
from safelight.remedies import Remedy, step, told
from safelight.remedies.cause import Cause, Said
from safelight.sinks import Sink
from safelight.sources import Source

ROOMS = {"sources": Source, "processors": Processor, "sinks": Sink, "channels": Channel, "remedies": Remedy}
EVERY = [(room, name, cls) for room, base in ROOMS.items() for name, cls in kinds(base).items()]
every_plugin = pytest.mark.parametrize(("room", "name", "cls"), EVERY, ids=[f"{r}/{n}" for r, n, _ in EVERY])
every_remedy = pytest.mark.parametrize(("name", "cls"), kinds(Remedy).items(), ids=list(kinds(Remedy)))
every_processor = pytest.mark.parametrize("cls", kinds(Processor).values(), ids=lambda cls: cls.__name__)


@every_plugin
def test_a_plugin_is_found_by_its_file_name(room, name, cls):
    assert cls.__module__.removeprefix(f"safelight.{room}.").split(".")[0] == name


@every_plugin
def test_a_plugin_shows_a_configuration_that_works(room, name, cls):
    made = cls.model_validate({"type": name, **cls.example})
    assert made.model_dump()["type"] == name


@every_plugin
def test_a_plugin_refuses_what_it_does_not_know(room, name, cls):
    with pytest.raises(ValidationError, match="no_such_setting"):
        cls.model_validate({"type": name, **cls.example, "no_such_setting": 1})


@every_plugin
def test_a_plugin_cannot_be_changed_once_made(room, name, cls):
    made = cls.model_validate({"type": name, **cls.example})
    with pytest.raises(ValidationError):
        made.type = "other"


@every_plugin
def test_a_plugin_and_its_fields_say_what_they_are(room, name, cls):
    assert inspect.getdoc(cls)
    undescribed = [
        field for field, info in cls.model_fields.items() if field not in {"type", "name"} and not info.description
    ]
    assert not undescribed


LINES = [
    '{"timestamp":"2026-11-22T10:00:00Z","level":"ERROR","message":"CUDA out of memory","node":"VAEDecode"}',
    '{"broken": ',
    "plain text with token=hf_abcdefghijklmnopqrstuvwxyz0123",
    "\ufeff{}",
    "",
]


def raw_batch():
    return Batch.of({"id": f"line-{n}", "raw": line, "source": "test"} for n, line in enumerate(LINES))


@every_processor
def test_a_processor_never_changes_the_batch_it_was_given(cls):
    batch = raw_batch()
    before = copy.deepcopy(batch.table.to_pylist())
    cls.model_validate(cls.example).build()(batch)
    assert batch.table.to_pylist() == before


@every_processor
def test_a_processor_keeps_the_columns_as_they_are_agreed(cls):
    for batch in (raw_batch(), Batch(SCHEMA.empty_table())):
        assert cls.model_validate(cls.example).build()(batch).table.schema.equals(SCHEMA)


@every_processor
def test_a_bad_record_never_sinks_a_good_one(cls):
    done = cls.model_validate(cls.example).build()(raw_batch())
    assert done["id"].to_pylist() == [f"line-{n}" for n in range(len(LINES))]


@every_remedy
def test_a_remedy_is_read_from_a_step_and_written_as_one(name, cls):
    made = step({name: cls.example})
    assert type(made) is cls
    assert step(told(made)) == made
    assert told(made) == {name: cls.example}


@every_remedy
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_remedy_says_what_it_would_do_without_doing_it(name, cls, language):
    cause = Cause("a1", "oom", {"instance": "gpu-1"}, (), datetime(2026, 11, 22, tzinfo=UTC))
    plan = step({name: cls.example}).plan(cause)
    assert isinstance(plan, Said)
    assert plan.render(language)


@every_remedy
def test_a_remedy_that_is_taken_back_can_be(name, cls):
    assert cls.undone == (cls.undo is not Remedy.undo)
