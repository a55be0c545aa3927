import pytest
from pydantic import ValidationError

from safelight.batch import Batch
from safelight.processors.enrich import Enrich
from safelight.processors.route import Route, filter_of
from safelight.query.condition import condition

STEPS = [
    Route(where="level:>=ERROR OR user_id:li", to=["es", "files"]),
    Enrich(fields={"a": 1}),
    Route(where="tag:comfyui.*", to=["es"]),
]


def test_a_sink_that_a_route_names_gets_only_what_routes_send_it():
    assert filter_of("es", None, STEPS) == str(condition("(level:>=ERROR OR user_id:li) OR tag:comfyui.*"))
    assert filter_of("files", None, STEPS) == str(condition("level:>=ERROR OR user_id:li"))


def test_other_sinks_get_all_or_what_they_ask_for():
    assert filter_of("clickhouse", None, STEPS) is None
    assert filter_of("clickhouse", "level:INFO", STEPS) == "level:INFO"


def test_what_a_sink_asks_for_and_what_is_sent_there_must_both_hold():
    asked = filter_of("es", "service:a OR service:b", STEPS)
    assert asked == str(condition("((level:>=ERROR OR user_id:li) OR tag:comfyui.*) AND (service:a OR service:b)"))


def test_the_store_keeps_every_event():
    batch = Batch.of([{"level": "DEBUG"}])
    assert STEPS[0].step()(batch) is batch


@pytest.mark.parametrize(
    "wrong", [{}, {"where": "a"}, {"to": ["es"]}, {"where": "a", "to": []}, {"where": "a(", "to": ["x"]}]
)
def test_a_mistake_is_refused(wrong):
    with pytest.raises(ValidationError):
        Route(**wrong)
