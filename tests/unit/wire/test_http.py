import httpx
import pytest

from safelight.wire.http import not_now, retry_after


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 529])
def test_some_answers_mean_not_now(status):
    assert not_now(status)


@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 409, 410, 413, 415, 422, 451])
def test_the_others_stay_as_they_are(status):
    assert not not_now(status)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "30"}, 30),
        ({"Retry-After": "0"}, 0),
        ({"Retry-After": "Sun, 22 Nov 2026 10:00:30 GMT", "Date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 30),
        ({"Retry-After": "Sun, 22 Nov 2026 09:00:00 GMT", "Date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(headers, seconds):
    assert retry_after(httpx.Headers(headers)) == seconds


def test_a_time_to_wait_in_other_digits_is_none():
    assert retry_after(httpx.Headers({"retry-after": b"\xb2"})) is None
