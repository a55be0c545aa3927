"""The pack is laid into one folder, whole or not at all, and only what was laid is taken away."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from safelight.comfyui import install as module
from safelight.comfyui.install import install, installed, last_sign_of_life, nodes_folder, uninstall
from safelight.errors import InputError


@pytest.fixture
def comfyui(tmp_path):
    nodes = tmp_path / "ComfyUI" / "custom_nodes"
    nodes.mkdir(parents=True)
    return nodes.parent


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("made", "given", "found"),
    [
        ("ComfyUI/custom_nodes", "ComfyUI", "ComfyUI/custom_nodes"),
        ("base/custom_nodes", "base", "base/custom_nodes"),
        ("custom_nodes", "custom_nodes", "custom_nodes"),
        ("ComfyUI/custom_nodes", ".", "ComfyUI/custom_nodes"),
        (
            "ComfyUI_windows_portable/ComfyUI/custom_nodes",
            "ComfyUI_windows_portable",
            "ComfyUI_windows_portable/ComfyUI/custom_nodes",
        ),
        (
            "ComfyUI_windows_portable/ComfyUI/custom_nodes",
            ".",
            "ComfyUI_windows_portable/ComfyUI/custom_nodes",
        ),
        ("p/ComfyUI/custom_nodes p/python_embeded", "p/python_embeded", "p/ComfyUI/custom_nodes"),
        ("ComfyUI/custom_nodes ComfyUI/venv:pyvenv.cfg", "ComfyUI/venv", "ComfyUI/custom_nodes"),
        ("w/ComfyUI/custom_nodes w/.venv:pyvenv.cfg", "w/.venv", "w/ComfyUI/custom_nodes"),
        ("volume:websocket_image_save.py", "volume", "volume"),
        ("volume/safelight:manifest.json", "volume", "volume"),
    ],
    ids=[
        "checkout",
        "base directory",
        "itself",
        "beside",
        "portable",
        "beside portable",
        "portable python",
        "venv inside",
        "venv beside",
        "volume with ComfyUI's node",
        "volume with the pack",
    ],
)
def test_custom_nodes_is_found_where_people_point_to(tmp_path, made, given, found):
    for one in made.split():
        folder, _, file = one.partition(":")
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        if file:
            (tmp_path / folder / file).touch()
    assert nodes_folder(tmp_path / given) == tmp_path / found


def test_a_folder_without_comfyui_is_refused_with_its_path(tmp_path):
    with pytest.raises(InputError, match=re.escape(str(tmp_path))) as refused:
        nodes_folder(tmp_path)
    assert refused.value.key == "comfyui.install.none"


def test_the_pack_and_a_copy_of_safelight_emit_are_laid_into_one_folder(comfyui):
    folder = install(comfyui, "1.2.3", instance="gpu-1", spool="/spool", url=None)
    assert folder == comfyui / "custom_nodes" / "safelight"
    assert list((comfyui / "custom_nodes").iterdir()) == [folder]
    files = contents(folder)
    assert {"__init__.py", "safelight_emit/emit.py", "web/safelight.js", "locales/zh/nodeDefs.json"} <= set(files)
    assert not [name for name in files if "__pycache__" in name or Path(name).name.startswith(".")]
    assert b'\nversion = "1.2.3"\n' in files["pyproject.toml"]
    assert json.loads(files["settings.json"]) == {"instance": "gpu-1", "spool": "/spool"}
    assert set(json.loads(files["manifest.json"])["files"]) == set(files) - {"manifest.json"}


def test_another_user_can_read_it_whatever_our_umask_is(comfyui):
    before = os.umask(0o077)
    try:
        folder = install(comfyui, "1")
    finally:
        os.umask(before)
    for path in [folder, *folder.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o755 if path.is_dir() else 0o644), path


def test_an_upgrade_keeps_settings_and_other_peoples_files_and_drops_what_is_no_longer_ours(comfyui):
    folder = install(comfyui, "1", instance="gpu-1", spool="/a")
    (folder / "notes").mkdir()
    (folder / "notes" / "mine.txt").write_text("mine")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["gone.py"] = ""
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "gone.py").write_text("")
    (folder / "nodes.py").write_text("broken")
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "nodes.pyc").write_bytes(b"")
    install(comfyui, "2", spool="/b")
    files = contents(folder)
    assert json.loads(files["settings.json"]) == {"instance": "gpu-1", "spool": "/b"}
    assert files["notes/mine.txt"] == b"mine"
    assert files["nodes.py"] != b"broken"
    assert not {"gone.py", "__pycache__/nodes.pyc"} & set(files)
    assert json.loads(files["manifest.json"])["version"] == "2"


def test_the_preview_switch_survives_an_upgrade(comfyui):
    folder = install(comfyui, "1")
    (folder / "settings.json").write_text('{"prompt_preview": false, "strange": 1}')
    install(comfyui, "2")
    assert json.loads((folder / "settings.json").read_text()) == {"prompt_preview": False}


def test_a_folder_of_somebody_else_is_left_alone(comfyui):
    folder = comfyui / "custom_nodes" / "safelight"
    folder.mkdir()
    (folder / "__init__.py").write_text("theirs")
    for deed in (lambda: install(comfyui, "1"), lambda: uninstall(comfyui), lambda: installed(comfyui, "1")):
        with pytest.raises(InputError) as refused:
            deed()
        assert refused.value.key == "comfyui.install.foreign"
    assert contents(folder) == {"__init__.py": b"theirs"}


def test_a_link_to_a_working_copy_is_left_alone(comfyui, tmp_path):
    copy = install(comfyui, "1").rename(tmp_path / "copy")
    (comfyui / "custom_nodes" / "safelight").symlink_to(copy)
    with pytest.raises(InputError) as refused:
        uninstall(comfyui)
    assert refused.value.key == "comfyui.install.foreign"
    assert (copy / "nodes.py").exists()


def test_what_cannot_be_written_is_said_and_leaves_no_trace(comfyui, monkeypatch):
    folder = install(comfyui, "1")
    before = contents(folder)

    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "_write", full)
    with pytest.raises(InputError, match="No space left on device") as refused:
        install(comfyui, "2")
    assert refused.value.key == "comfyui.install.unwritable"
    assert contents(folder) == before
    assert [path.name for path in (comfyui / "custom_nodes").iterdir()] == ["safelight"]


def test_an_exchange_that_fails_puts_the_old_pack_back(comfyui, monkeypatch):
    folder = install(comfyui, "1")
    before, rename = contents(folder), Path.rename

    def refuse(path, target):
        if path.name.endswith(".disabled") and not path.name.startswith(".old"):
            raise PermissionError(13, "in use")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(InputError, match="in use"):
        install(comfyui, "2")
    assert contents(folder) == before


def test_what_is_written_aside_is_passed_by_comfyui(comfyui, monkeypatch):
    seen, write = set(), module._write

    def watch(path, content):
        write(path, content)
        seen.update(one.name for one in (comfyui / "custom_nodes").iterdir())

    monkeypatch.setattr(module, "_write", watch)
    install(comfyui, "1")
    assert seen
    assert all(name.endswith(".disabled") for name in seen)


def test_uninstalling_leaves_nothing(comfyui):
    folder = install(comfyui, "1")
    (folder / "hooks" / "__pycache__").mkdir()
    (folder / "hooks" / "__pycache__" / "x.pyc").write_bytes(b"")
    assert uninstall(comfyui) == (folder, [])
    assert list((comfyui / "custom_nodes").iterdir()) == []


def test_uninstalling_leaves_what_others_have_put_there(comfyui):
    folder = install(comfyui, "1")
    (folder / "web" / "mine.js").write_text("mine")
    assert uninstall(comfyui) == (folder, [str(Path("web") / "mine.js")])
    assert contents(folder) == {str(Path("web") / "mine.js"): b"mine"}


@pytest.mark.parametrize("name", ["../other.py", "/etc/other", "a/../../other.py", "..\\other.py", "C:other", ""])
def test_a_manifest_cannot_make_us_delete_what_lies_elsewhere(comfyui, name):
    folder = install(comfyui, "1")
    other = comfyui / "custom_nodes" / "other.py"
    other.write_text("theirs")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][name] = ""
    (folder / "manifest.json").write_text(json.dumps(manifest))
    uninstall(comfyui)
    assert other.exists()
    assert not folder.exists()


def test_without_the_pack_there_is_nothing_to_uninstall_or_to_tell_of(comfyui):
    with pytest.raises(InputError) as refused:
        uninstall(comfyui)
    assert refused.value.key == "comfyui.install.absent"
    assert installed(comfyui, "1") is None


def test_what_differs_from_what_would_be_installed_is_known(comfyui):
    folder = install(comfyui, "1", instance="gpu-1")
    found = installed(comfyui, "1")
    assert (found.version, found.settings, found.changed) == ("1", {"instance": "gpu-1"}, ())
    (folder / "nodes.py").write_text("changed")
    (folder / "web" / "safelight.js").unlink()
    assert installed(comfyui, "1").changed == ("nodes.py", "web/safelight.js")
    assert "pyproject.toml" in installed(comfyui, "2").changed


def test_the_installed_pack_is_a_package_that_loads_without_anything_else(comfyui, tmp_path):
    folder = install(comfyui, "1", spool=str(tmp_path / "spool"))
    code = "import safelight, sys; print(sorted(safelight.NODE_CLASS_MAPPINGS), 'duckdb' in sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=folder.parent, capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stdout == "['SafelightHealthCheck', 'SafelightMark'] False\n"


def test_the_owner_of_a_spool_that_is_yet_to_be_made_is_that_of_the_folder_above_it(comfyui, tmp_path, monkeypatch):
    from safelight.comfyui.install import owned_alike

    assert owned_alike(comfyui, tmp_path / "not" / "yet")
    real = Path.stat

    def other(path, **options):
        found = real(path, **options)
        return os.stat_result([*found[:4], found.st_uid + 1, *found[5:10]]) if path == comfyui else found

    monkeypatch.setattr(Path, "stat", other)
    assert not owned_alike(comfyui, tmp_path / "not" / "yet")


def spoken(spool, name, instance, at):
    folder = spool / name
    folder.mkdir(parents=True)
    file = folder / "events-20261122-000001.ndjson"
    file.write_text(json.dumps({"instance": instance}) + "\n")
    os.utime(file, (at, at))
    return folder


def test_the_newest_sign_of_life_is_that_of_the_instance_on_this_host(tmp_path):
    spoken(tmp_path, "comfyui-lab_1-20261122T100000Z-1", "gpu-1", 100)
    newer = spoken(tmp_path, "comfyui-lab_1-20261122T110000Z-2", "gpu-1", 200)
    other = spoken(tmp_path, "comfyui-lab_1-20261122T120000Z-3", "gpu-2", 300)
    spoken(tmp_path, "comfyui-far-20261122T120000Z-4", "gpu-1", 400)
    spoken(tmp_path, "web-lab_1-20261122T120000Z-5", "gpu-1", 500)
    (tmp_path / "comfyui-lab_1-20261122T130000Z-6").mkdir()
    assert last_sign_of_life(tmp_path, "lab 1", "gpu-1") == (newer, 200)
    assert last_sign_of_life(tmp_path, "lab 1", None) == (other, 300)
    assert last_sign_of_life(tmp_path, "nowhere", None) is None
    assert last_sign_of_life(tmp_path / "gone", "lab 1", None) is None
    (newer / "events-20261122-000009.ndjson").symlink_to("deleted meanwhile")
    assert last_sign_of_life(tmp_path, "lab 1", None) == (other, 300)
