import json
import socket
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from safelight.batch import Batch
from safelight.processors.enrich import Enrich


def enriched(rows, **settings):
    return Enrich(**settings).build()(Batch.of(rows))


def test_a_known_name_or_alias_becomes_a_column_and_any_other_an_attribute():
    fields = {"service_name": "engine", "environment": "production", "site": "berlin", "rack": 7}
    event = enriched([{"message": "m"}], fields=fields).table.to_pylist()[0]
    assert (event["service"], event["environment"]) == ("engine", "production")
    assert json.loads(event["attributes"]) == {"site": "berlin", "rack": 7}


@pytest.mark.parametrize(
    ("given", "merged"),
    [
        (None, {"site": "x"}),
        ("{}", {"site": "x"}),
        ('{"a":1}', {"a": 1, "site": "x"}),
        ('{"site":"old","a":{"b":"}"}}', {"site": "x", "a": {"b": "}"}}),
        ('{"a":{"site":"inner"}}', {"a": {"site": "inner"}, "site": "x"}),
        ('{"名":"站"}', {"名": "站", "site": "x"}),
    ],
)
def test_attributes_are_added_to_what_is_there(given, merged):
    batch = enriched([{"attributes": given}, {"attributes": '{"z":0}'}], fields={"site": "x"})
    assert [json.loads(text) for text in batch["attributes"].to_pylist()] == [merged, {"z": 0, "site": "x"}]


def test_a_constant_replaces_what_is_there_unless_only_what_is_missing_is_wanted():
    rows = [{"host": "a", "attributes": '{"site":"old"}'}, {"attributes": "{}"}]
    fields = {"host": "b", "site": "new"}
    assert enriched(rows, fields=fields)["host"].to_pylist() == ["b", "b"]
    kept = enriched(rows, fields=fields, only_missing=True)
    assert kept["host"].to_pylist() == ["a", "b"]
    assert [json.loads(text)["site"] for text in kept["attributes"].to_pylist()] == ["old", "new"]


@pytest.mark.parametrize("fields", [{"timestamp": "now"}, {"attributes": "x"}, {"duration_ms": "fast"}, {"a": [1]}])
def test_what_cannot_be_a_constant_is_refused(fields):
    with pytest.raises(ValidationError):
        Enrich(fields=fields)


def test_the_batch_given_is_not_changed():
    batch = Batch.of([{"message": "m", "host": "h"}])
    Enrich(fields={"host": "x", "a": 1}).build()(batch)
    assert batch["host"].to_pylist() == ["h"]


def test_the_moment_and_the_machine_are_known():
    before = datetime.now(UTC)
    fields = {"processed_at": "${now}", "hostname": "${hostname}", "tag": "${now}", "site": "$ {now}"}
    event = enriched([{"message": "m"}], fields=fields).table.to_pylist()[0]
    added = json.loads(event["attributes"])
    assert before <= datetime.fromisoformat(added["processed_at"]) <= datetime.now(UTC)
    assert (event["host"], event["tag"]) == (socket.gethostname(), added["processed_at"])
    assert added["site"] == "$ {now}"


def test_a_value_that_there_is_not_is_refused():
    with pytest.raises(ValidationError, match="no \\$\\{today\\}"):
        Enrich(fields={"a": "${today}"})
