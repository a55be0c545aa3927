"""Signed links: good for what was signed and for a week, and for nothing else."""

from __future__ import annotations

import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.alerts.links import GOOD_FOR, TOGETHER_MAX, TOKEN_MAX, Do, LinkExpired, LinkForged, Signer
from safelight.errors import StoreError

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
SIGNER = Signer(b"k" * 32)


@given(st.sampled_from(list(Do)), st.text(max_size=100), st.integers(1, 10**9))
def test_what_was_signed_is_read_back(do, subject, seconds):
    expires = NOW + timedelta(seconds=seconds)
    action = SIGNER.verify(SIGNER.sign(do, subject, expires), NOW)
    assert (action.do, action.subject, action.expires) == (do, subject, expires)


def test_a_link_is_good_for_a_week():
    token = SIGNER.signing(lambda: NOW)("silence", "a1,a2")
    assert SIGNER.verify(token, NOW + GOOD_FOR - timedelta(seconds=1)).alerts == ("a1", "a2")
    with pytest.raises(LinkExpired):
        SIGNER.verify(token, NOW + GOOD_FOR)


def test_a_link_for_as_many_alerts_as_fit_is_no_longer_than_chats_take():
    token = SIGNER.signing(lambda: NOW)("acknowledge", ",".join(["0123456789abcdef"] * TOGETHER_MAX))
    assert len(token) < 300
    assert token.replace("-", "").replace("_", "").isalnum()


def test_any_change_of_a_link_makes_it_worthless():
    token = SIGNER.sign("silence", "a1", NOW + GOOD_FOR)
    for place in range(len(token)):
        for other in "Ab-_9":
            changed = token[:place] + other + token[place + 1 :]
            if _bytes(changed) != _bytes(token):
                with pytest.raises(LinkForged):
                    SIGNER.verify(changed, NOW)


def _bytes(token):
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))


def test_a_link_of_another_key_is_worthless():
    with pytest.raises(LinkForged):
        Signer(b"x" * 32).verify(SIGNER.sign("silence", "a1", NOW + GOOD_FOR), NOW)


@pytest.mark.parametrize(
    "token", ["", "x", "=", "💥", "a" * (TOKEN_MAX + 1), "AAAA", "../../etc/passwd", "a b", "\x00"],
    ids=["empty", "short", "padding", "emoji", "endless", "zeros", "path", "blank", "null"],
)  # fmt: skip
def test_nonsense_is_refused(token):
    with pytest.raises(LinkForged):
        SIGNER.verify(token, NOW)


def test_the_key_is_made_once_and_only_ours_to_read(tmp_path):
    path = tmp_path / "links.key"
    token = Signer.of(path).sign("replay", "wf-1", NOW + GOOD_FOR)
    assert Signer.of(path).verify(token, NOW).subject == "wf-1"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["links.key"]


def test_those_that_begin_at_once_agree_on_one_key(tmp_path):
    path = tmp_path / "links.key"
    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(lambda _: Signer.of(path).sign("replay", "wf-1", NOW + GOOD_FOR), range(16)))
    assert len(set(tokens)) == 1


def test_a_key_that_was_cut_short_is_made_anew(tmp_path):
    path = tmp_path / "links.key"
    path.write_bytes(b"short")
    Signer.of(path)
    assert len(path.read_bytes()) == 32


def test_a_key_that_cannot_be_written_is_told(tmp_path):
    with pytest.raises(StoreError, match=r"links\.key"):
        Signer.of(tmp_path / "no" / "links.key")
