"""What is said of a sink's dead letters goes to every sink but this one."""

from __future__ import annotations

from safelight.batch import SCHEMA, Batch
from safelight.collecting.echo import without_echo


def ids(events, sink):
    return without_echo(Batch.of(events), sink)["id"].to_pylist()


def test_only_what_is_said_of_its_own_dead_letters_is_left_out():
    told = [
        {"id": "own", "event": "dead_lettered", "attributes": '{"sink":"es","count":1}'},
        {"id": "of another", "event": "dead_lettered", "attributes": '{"sink":"file"}'},
        {"id": "failed", "event": "sink_failed", "attributes": '{"sink":"es"}'},
        {"id": "somebody's", "event": "dead_lettered", "attributes": "[1]"},
        {"id": "bare", "event": "dead_lettered"},
        {"id": "none"},
    ]
    assert ids(told, "es") == ["of another", "failed", "somebody's", "bare", "none"]
    assert len(ids(told, "other")) == len(told)


def test_where_nothing_is_said_nothing_changes():
    batch = Batch.of([{"id": "a", "event": "log"}, {"id": "b"}])
    assert without_echo(batch, "es") is batch
    empty = Batch(SCHEMA.empty_table())
    assert without_echo(empty, "es") is empty
