import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from safelight.batch import Batch
from safelight.locales import LANGUAGES
from safelight.processors.drop import Drop
from safelight.processors.enrich import Enrich
from safelight.processors.keep import Keep
from safelight.processors.only import only

LEVELS = ["DEBUG", "INFO", None, "ERROR"]


def batch(levels):
    return Batch.of({"id": str(place), "level": level, "message": "m"} for place, level in enumerate(levels))


def ids(done):
    return [int(name) for name in done["id"].to_pylist()]


@given(st.lists(st.sampled_from(LEVELS), max_size=12))
def test_a_step_is_for_the_events_that_where_finds_and_all_stay_in_their_order(levels):
    done = Enrich(where="level:DEBUG", fields={"tag": "x"}).step()(batch(levels))
    assert ids(done) == list(range(len(levels)))
    assert done["tag"].to_pylist() == ["x" if level == "DEBUG" else None for level in levels]


@given(st.lists(st.tuples(st.sampled_from(LEVELS), st.booleans()), max_size=12))
def test_a_step_may_drop_some_of_them(events):
    given_batch = batch([level for level, _ in events])
    goes = {str(place) for place, (level, away) in enumerate(events) if away and level == "DEBUG"}
    drop = lambda some: some.where([name not in goes for name in some["id"].to_pylist()])  # noqa: E731
    done = only("level:DEBUG", drop)(given_batch)
    assert ids(done) == [place for place in range(len(events)) if str(place) not in goes]


def test_a_step_that_changes_nothing_gives_back_the_batch_itself():
    given_batch = batch(LEVELS)
    assert only("level:DEBUG", lambda some: some)(given_batch) is given_batch
    assert only("level:CRITICAL", lambda some: some.where([False]))(given_batch) is given_batch


def test_events_without_an_id_are_not_lost():
    events = Batch.of([{"level": "DEBUG", "message": "a"}, {"level": "INFO"}, {"level": "DEBUG", "message": "b"}])
    done = only("level:DEBUG", lambda some: some.where([False, True]))(events)
    assert sorted(map(str, done["message"].to_pylist())) == ["None", "b"]


@given(st.lists(st.sampled_from(LEVELS), max_size=12))
def test_keep_and_drop_are_each_other_s_opposite(levels):
    asked = "level:DEBUG OR level:>=ERROR"
    kept, dropped = (ids(step.step()(batch(levels))) for step in (Keep(where=asked), Drop(where=asked)))
    assert kept == [place for place, level in enumerate(levels) if level in {"DEBUG", "ERROR"}]
    assert sorted(kept + dropped) == list(range(len(levels)))


@pytest.mark.parametrize("step", [Keep, Drop])
def test_what_chooses_needs_to_say_what(step):
    with pytest.raises(ValidationError):
        step()


@pytest.mark.parametrize("where", ["level:LOUD", "a AND (b", "level:ERROR | stats count()", " "])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_filter_that_is_none_is_refused_with_its_place(where, language):
    with pytest.raises(ValidationError) as caught:
        Drop(where=where)
    said = caught.value.errors()[0]["ctx"]["error"].render(language)
    assert not where.strip() or said.splitlines()[1:] == [where, said.splitlines()[-1]]
    assert not where.strip() or said.splitlines()[-1].strip() == "^"
