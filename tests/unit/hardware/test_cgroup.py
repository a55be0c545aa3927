"""Control groups as folders."""

from __future__ import annotations

from safelight.hardware import cgroup

ID = "ab" * 32


def group(folder, current=700 << 20, limit="max", kills=0):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.current").write_text(f"{current}\n")
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.stat").write_text(f"anon 1\ninactive_file {200 << 20}\n")
    (folder / "memory.events").write_text(f"low 0\nhigh 0\nmax 3\noom {kills}\noom_kill {kills}\noom_group_kill 0\n")
    (folder / "cpu.stat").write_text("usage_usec 2500000\nuser_usec 1\n")


def test_a_group_tells_memory_without_cache_limit_cpu_and_kills(tmp_path):
    group(tmp_path, limit=1 << 30, kills=2)
    assert cgroup.read(tmp_path) == cgroup.Group(500.0, 1024.0, 2.5, 2)


def test_no_limit_is_none_and_what_is_missing_too(tmp_path):
    group(tmp_path)
    (tmp_path / "cpu.stat").unlink()
    assert cgroup.read(tmp_path) == cgroup.Group(500.0, None, None, 0)
    assert cgroup.read(tmp_path / "absent") is None


def test_containers_are_found_wherever_their_manager_puts_them(tmp_path):
    ids = [f"{n:x}" * 64 for n in range(1, 5)]
    group(tmp_path / "system.slice" / f"docker-{ids[0]}.scope")
    group(tmp_path / "docker" / ids[1])
    group(tmp_path / "machine.slice" / f"libpod-{ids[2]}.scope")
    group(tmp_path / "kubepods.slice" / "kubepods-burstable.slice" / "pod-1.slice" / f"cri-containerd-{ids[3]}.scope")
    group(tmp_path / "user.slice" / "user-1000.slice")
    assert sorted(id_ for id_, _ in cgroup.containers(tmp_path)) == sorted(ids)


def test_the_own_group_is_the_one_of_version_2(tmp_path):
    told = tmp_path / "cgroup"
    told.write_text("4:memory:/elsewhere\n0::/user.slice/me\n")
    (tmp_path / "user.slice" / "me").mkdir(parents=True)
    assert cgroup.own(tmp_path, told) == tmp_path / "user.slice" / "me"
    told.write_text("0::/../outside/of/the/namespace\n")
    assert cgroup.own(tmp_path, told) == tmp_path
    told.write_text("4:memory:/only/version/1\n")
    assert cgroup.own(tmp_path, told) is None
