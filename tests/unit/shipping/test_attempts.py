from __future__ import annotations

import random
from datetime import timedelta
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.shipping.attempts import LONGEST_ASKED_S, Attempts
from safelight.sinks import Retry


def test_pauses_double_up_to_the_longest_and_are_drawn_from_their_upper_half():
    retry = Retry(first=timedelta(seconds=1), longest=timedelta(seconds=20))
    short, long = Attempts(retry, chance=lambda: 0.0), Attempts(retry, chance=lambda: 1.0)
    assert [long.failure() for _ in range(7)] == [1, 2, 4, 8, 16, 20, 20]
    assert [short.failure() for _ in range(7)] == [0.5, 1, 2, 4, 8, 10, 10]


def test_an_outage_of_ten_minutes_never_uses_up_the_attempts_there_are_by_default():
    least = Attempts(Retry(), chance=lambda: 0.0)
    waited = 0.0
    while True:
        pause = least.failure()
        if least.exhausted:
            break
        waited += pause
    assert waited > 600


@pytest.mark.parametrize(
    ("asked", "waited"), [(30.0, 30.0), (None, 1.0), (nan, 1.0), (inf, 1.0), (-5.0, 1.0), (1e9, 3600.0)]
)
def test_what_a_peer_asks_for_is_waited_for_within_reason(asked, waited):
    assert Attempts(Retry(), chance=lambda: 1.0).failure(asked) == waited
    assert waited <= LONGEST_ASKED_S


@given(st.integers(0, 1_000), st.integers(0, 2**32))
def test_no_pause_is_longer_than_the_longest(failures, seed):
    attempts = Attempts(Retry(max=1_000), chance=random.Random(seed).random)
    attempts.failed = failures
    assert 0 < attempts.failure() <= 300


def test_after_a_batch_is_given_up_the_next_has_as_many_attempts_at_the_longest_pause():
    attempts = Attempts(Retry(max=2), chance=lambda: 1.0)
    for _ in range(3):
        attempts.failure()
    assert attempts.exhausted
    attempts.given_up()
    assert (attempts.failed, attempts.broken, attempts.exhausted) == (0, True, False)
    assert attempts.failure() == 300
    attempts.success()
    assert (attempts.failed, attempts.broken) == (0, False)
    assert attempts.failure() == 1
