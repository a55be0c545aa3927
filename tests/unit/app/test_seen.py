"""A batch of an agent is taken once, however late it is sent again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from safelight.app import seen
from safelight.app.seen import arrived


def batch(last, part="a", queue="gpu-1.q7", first=1):
    return f"{queue}-{first}-{last}.{part * 24}"


def after(*ids):
    durable = {}
    for id_ in ids:
        durable |= arrived(id_, durable) or {}
    return durable


def test_a_batch_comes_once():
    durable = after(batch(3), batch(5))
    assert arrived(batch(5), durable) is None
    assert arrived(batch(6), durable)


def test_a_queue_that_was_put_back_to_an_older_state_or_copied_to_another_machine_loses_nothing():
    durable = after(batch(3), batch(9))
    assert arrived(batch(5, "b"), durable)  # the store's own batch ids tell what really came late
    assert arrived(batch(9, "b"), durable)
    assert arrived(batch(6, "c"), durable | arrived(batch(5, "b"), durable))


def test_the_parts_of_one_batch_are_told_apart():
    durable = after(batch(3, "a"))
    assert arrived(batch(3, "b"), durable)
    assert arrived(batch(3, "a"), after(batch(3, "a"), batch(3, "b"))) is None


def test_queues_are_told_apart():
    assert arrived(batch(1, queue="other.q1"), after(batch(5)))


def test_an_id_of_another_form_is_left_to_the_store():
    assert arrived("whatever", {}) == {}
    assert arrived(None, {}) == {}


def test_a_mark_that_cannot_be_read_is_no_mark():
    (key,) = after(batch(5))
    assert arrived(batch(5), {key: "?"})


def test_so_many_queues_are_remembered_and_no_more(monkeypatch):
    monkeypatch.setattr(seen, "MOST_QUEUES", 2)
    durable = after(batch(1, queue="a"), batch(1, queue="b"))
    assert arrived(batch(1, queue="c"), durable) == {}
    assert arrived(batch(1, queue="a"), durable) is None


@given(st.lists(st.tuples(st.integers(1, 6), st.sampled_from("ab")), max_size=12))
def test_what_is_sent_in_order_with_repeats_is_taken_once_each(sent):
    durable, taken = {}, []
    for last, part in sorted(sent):
        advanced = arrived(batch(last, part), durable)
        if advanced is not None:
            taken.append((last, part))
            durable |= advanced
    assert taken == sorted(set(sent))
