from __future__ import annotations

import os
import subprocess
import sys

import pytest

from safelight.errors import StoreLocked
from safelight.store.lock import Lock, Owner
from safelight.store.segments import SegmentStore


def test_nobody_owns_a_directory_before_somebody_takes_it(tmp_path):
    assert Lock.owner(tmp_path / "nowhere") is None
    lock = Lock.take(tmp_path)
    assert Lock.owner(tmp_path) == Owner(os.getpid())
    lock.release()
    assert Lock.owner(tmp_path) is None


def test_the_owner_can_be_found_and_asked(tmp_path):
    lock = Lock.take(tmp_path)
    lock.publish("http://127.0.0.1:8678")
    assert Lock.owner(tmp_path) == Owner(os.getpid(), "http://127.0.0.1:8678")
    lock.publish("http://h:1")
    assert Lock.owner(tmp_path) == Owner(os.getpid(), "http://h:1")
    with pytest.raises(StoreLocked) as refused:
        Lock.take(tmp_path)
    assert refused.value.values["pid"] == os.getpid()
    assert refused.value.values["url"] == "http://h:1"
    lock.release()
    Lock.take(tmp_path).release()


def test_two_stores_cannot_write_one_directory(tmp_path):
    with SegmentStore.open(tmp_path), pytest.raises(StoreLocked):
        SegmentStore.open(tmp_path)
    SegmentStore.open(tmp_path).close()


def test_a_lock_taken_before_is_used_and_stays(tmp_path):
    lock = Lock.take(tmp_path)
    with SegmentStore.open(tmp_path, lock=lock) as store:
        assert store.lock is lock
    assert Lock.owner(tmp_path) is not None
    lock.release()


HOLDER = """
import sys
from pathlib import Path
from safelight.store.lock import Lock
Lock.take(Path(sys.argv[1])).publish("http://x")
print("held", flush=True)
sys.stdin.read()
"""


def test_the_lock_ends_with_its_process(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        owner = Lock.owner(tmp_path)
        assert owner == Owner(child.pid, "http://x")
        child.kill()
        child.wait(60)
    assert Lock.owner(tmp_path) is None
    Lock.take(tmp_path).release()
