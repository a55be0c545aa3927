"""Kills for lack of memory, as the kernel tells of them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.hardware import kills

LOG = (
    b"6,1201,88123456,-;python invoked oom-killer: gfp_mask=0x140cca(GFP_HIGHUSER_MOVABLE|__GFP_COMP), order=0\n"
    b"3,1290,88123999,-;Out of memory: Killed process 4711 (python main.py) total-vm:41943040kB, "
    b"anon-rss:31457280kB, file-rss:1024kB, shmem-rss:0kB, UID:1000 pgtables:81920kB oom_score_adj:0\n"
    b"3,1310,99123999,-;Memory cgroup out of memory: Killed process 12 (sh) total-vm:1kB, anon-rss:512kB, UID:0\n"
)


def test_a_kill_names_process_memory_and_whether_its_group_was_full():
    assert kills.parse(LOG) == [
        kills.Kill(4711, "python main.py", 30720.0, in_group=False),
        kills.Kill(12, "sh", 0.5, in_group=True),
    ]


def test_only_as_many_as_are_new_are_taken(tmp_path):
    log = tmp_path / "kmsg"
    log.write_bytes(LOG)
    assert [kill.pid for kill in kills.latest(1, log)] == [12]
    assert [kill.pid for kill in kills.latest(5, log)] == [4711, 12]
    assert kills.latest(0, log) == []
    assert kills.latest(1, tmp_path / "absent") == []


def test_the_counter_is_read_where_there_is_one(tmp_path):
    vmstat = tmp_path / "vmstat"
    vmstat.write_text("nr_free_pages 1\noom_kill 7\n")
    assert kills.total(vmstat) == 7
    vmstat.write_text("nr_free_pages 1\n")
    assert kills.total(vmstat) is None
    assert kills.total(tmp_path / "absent") is None


@given(st.binary(max_size=200))
@settings(max_examples=50)
def test_no_log_can_make_it_fail(log):
    assert len(kills.parse(log + LOG)) >= 2
