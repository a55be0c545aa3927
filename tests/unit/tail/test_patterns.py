"""Which paths are meant."""

from __future__ import annotations

from safelight.tail.patterns import Patterns


def test_a_date_in_a_path_stands_for_any_date(tmp_path):
    names = ["app-2026-11-22.log", "app-2026-11-23.log", "app-now.log", "100%d.txt"]
    for name in names:
        (tmp_path / name).touch()
    dated = Patterns([str(tmp_path / "app-%Y-%m-%d.log")])
    assert list(dated.matching()) == [str(tmp_path / name) for name in names[:2]]
    assert dated.covers(str(tmp_path / "app-1999-01-01.log"))
    assert not dated.covers(str(tmp_path / "app-now.log"))
    assert dated.roots() == {tmp_path}


def test_a_percent_sign_of_another_kind_is_itself(tmp_path):
    (tmp_path / "100%.log").touch()
    assert list(Patterns([str(tmp_path / "100%.log")]).matching()) == [str(tmp_path / "100%.log")]


def test_names_and_paths_can_be_left_out(tmp_path):
    for name in ("a.log", "b.log", "b.log.gz"):
        (tmp_path / name).touch()
    found = Patterns([str(tmp_path / "*")], ["*.gz", str(tmp_path / "a.*")]).matching()
    assert list(found) == [str(tmp_path / "b.log")]
