"""Questions about runs as SQL: whatever is asked for stays a value."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from safelight.query import runs
from safelight.query.runs import Wanted
from support.runs import rows, story

NOW = datetime.now(UTC).replace(microsecond=0)
LATER = NOW + timedelta(days=1)


@pytest.fixture
def ask(over):
    return over(rows(story("ok", NOW, run_id="it's", name='100% "cat" _x_').events))


@pytest.mark.parametrize("value", ["' OR TRUE --", "?", '"', "%", "_", "\\", "x' UNION SELECT 1 --", "猫"])
@pytest.mark.parametrize("field", ["user", "workflow", "instance", "part"])
def test_a_value_is_compared_never_run(ask, field, value):
    found = ask(runs.listing(Wanted(**{field: value}), LATER, NOW, 10))
    expected = ["it's"] if field == "part" and value in '"%_' else []
    assert [row["value"] for row in found if row["kind"] == "page"] == expected


def test_a_page_ends_at_its_limit_and_goes_on_after_its_cursor(over):
    told = [story("queued", NOW - timedelta(minutes=n), run_id=f"r{n}") for n in range(5)]
    told += [story("queued", NOW, run_id="r00")]  # at the same moment as the first
    ask = over(rows(event for one in told for event in one.events if event["event"] != "run_document"))
    page = [row for row in ask(runs.listing(Wanted(), LATER, NOW, 3)) if row["kind"] == "page"]
    assert [row["value"] for row in page] == ["r00", "r0", "r1"]
    rest = ask(runs.listing(Wanted(), LATER, NOW, 10, (page[0]["first_at"], "r00")))
    assert [row["value"] for row in rest if row["kind"] == "page"] == ["r0", "r1", "r2", "r3", "r4"]


def test_a_run_that_began_after_the_end_is_not_of_the_span(ask):
    found = ask(runs.listing(Wanted(), NOW - timedelta(seconds=1), NOW, 10))
    assert found == []
