"""What a prompt needs of a ComfyUI, read from its folders and from nowhere else."""

from __future__ import annotations

import hashlib
import os
import sys
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.fixture
def comfyui(tmp_path, monkeypatch):
    """A ComfyUI with folders of its own."""
    for name in ("checkpoints", "vae", "input", "custom_nodes"):
        (tmp_path / name).mkdir()
    folders = SimpleNamespace(
        folder_names_and_paths={"custom_nodes": 0, "vae": 0, "checkpoints": 0},
        get_folder_paths=lambda kind: [str(tmp_path / kind)],
        get_directory_by_type=lambda kind: str(tmp_path / kind) if kind == "input" else None,
    )
    monkeypatch.setitem(sys.modules, "folder_paths", folders)
    monkeypatch.setitem(sys.modules, "comfyui_version", SimpleNamespace(__version__="0.27.0"))
    return tmp_path


def sha(content):
    return hashlib.sha256(content).hexdigest()


def test_models_and_inputs_are_found_and_hashed(pack, comfyui):
    (comfyui / "checkpoints" / "sd").mkdir()
    (comfyui / "checkpoints" / "sd" / "a.safetensors").write_bytes(b"weights")
    (comfyui / "input" / "photo.png").write_bytes(b"picture")
    prompt = {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd\\a.safetensors"}},
        "2": {"class_type": "LoadImage", "inputs": {"image": "photo.png"}},
        "3": {"class_type": "LoadImage", "inputs": {"image": "photo.png"}},
        "5": {"class_type": "LoadImageOutput", "inputs": {"image": "photo.png [output]"}},
        "4": {"class_type": "VAELoader", "inputs": {"vae_name": "gone.pt"}},
    }
    found = pack.inventory.take(prompt)
    assert found["comfyui_version"] == "0.27.0"
    assert found["models"] == [
        {
            "node_id": "1",
            "input": "ckpt_name",
            "name": "sd\\a.safetensors",
            "folder": "checkpoints",
            "bytes": 7,
            "sha256": sha(b"weights"),
        },
        {"node_id": "4", "input": "vae_name", "name": "gone.pt", "folder": None, "bytes": None, "sha256": None},
    ]
    assert found["inputs"] == [
        {"name": "photo.png", "type": "input", "bytes": 7, "sha256": sha(b"picture")},
        {"name": "photo.png", "type": "output", "bytes": None, "sha256": None},
    ]


def test_of_two_models_of_a_name_the_inputs_kind_comes_first(pack, comfyui):
    for kind in ("vae", "checkpoints"):
        (comfyui / kind / "a.pt").write_bytes(kind.encode())
    assert pack.inventory._model("a.pt", "ckpt_name")["folder"] == "checkpoints"
    assert pack.inventory._model("a.pt", "vae_name")["folder"] == "vae"
    assert pack.inventory._model("a.pt", "other")["folder"] == "vae"


@pytest.mark.parametrize(
    "name",
    [
        "../secret.pt",
        "..\\secret.pt",
        "a/../../secret.pt",
        "",
        ".",
        "a\0b",
        "{absolute}",
        "checkpoints/../../secret.pt",
    ],
)
def test_a_name_that_leads_out_of_its_folder_finds_nothing(pack, comfyui, name):
    secret = comfyui / "secret.pt"
    secret.write_bytes(b"secret")
    (comfyui / "checkpoints" / "a").mkdir()
    assert pack.inventory.find(str(comfyui / "checkpoints"), name.replace("{absolute}", str(secret))) is None


@settings(max_examples=100)
@given(name=st.text("ab./\\\0:", max_size=12))
def test_whatever_a_name_is_it_never_leads_out(pack, tmp_path_factory, name):
    base = tmp_path_factory.getbasetemp() / "inventory" / "models"
    base.mkdir(parents=True, exist_ok=True)
    for place in (base / "a", base.parent / "a", base.parent / "b"):
        place.write_bytes(b"")
    found = pack.inventory.find(str(base), name)
    assert found is None or found == str(base / "a")


def test_a_link_of_the_folders_owner_is_followed(pack, comfyui, tmp_path_factory):
    real = tmp_path_factory.mktemp("disk") / "big.pt"
    real.write_bytes(b"big")
    os.symlink(real, comfyui / "vae" / "big.pt")
    assert pack.inventory._model("big.pt", "vae_name")["sha256"] == sha(b"big")


def test_a_file_is_read_again_only_when_it_has_changed(pack, tmp_path, monkeypatch):
    path = tmp_path / "a.pt"
    path.write_bytes(b"one")
    first = pack.inventory.hashed(str(path))
    assert first == {"bytes": 3, "sha256": sha(b"one")}
    with monkeypatch.context() as unread:
        unread.setattr(pack.inventory, "sha256", None)
        assert pack.inventory.hashed(str(path)) == first
    path.write_bytes(b"three")
    assert pack.inventory.hashed(str(path))["sha256"] == sha(b"three")


def test_a_file_longer_than_a_chunk_is_hashed_whole(pack, tmp_path, monkeypatch):
    monkeypatch.setattr(pack.inventory, "CHUNK", 5)
    path = tmp_path / "long.pt"
    path.write_bytes(b"0123456789ab")
    assert pack.inventory.hashed(str(path))["sha256"] == sha(b"0123456789ab")


def test_packs_are_told_with_version_and_code(pack, comfyui):
    nodes = comfyui / "custom_nodes"
    for name in ("b", "a", "off.disabled", ".git", "__pycache__"):
        (nodes / name).mkdir()
        (nodes / name / "x.py").write_text("x = 1")
    (nodes / "loose.py").write_text("")
    (nodes / "a" / "pyproject.toml").write_text('[project]\nname = "a"\nversion = "1.2.3"\n')
    first, second = pack.inventory.packs()
    assert (first["name"], first["version"], first["commit"]) == ("a", "1.2.3", None)
    assert (second["name"], second["version"]) == ("b", None)
    assert first["sha256"] == second["sha256"]
    (nodes / "b" / "x.py").write_text("x = 22")
    assert list(pack.inventory.packs())[1]["sha256"] != second["sha256"]


def test_what_is_no_code_does_not_change_the_hash_of_a_pack(pack, comfyui):
    folder = comfyui / "custom_nodes" / "a"
    (folder / "__pycache__").mkdir(parents=True)
    (folder / "x.py").write_text("x = 1")
    before = list(pack.inventory.packs())
    (folder / "notes.md").write_text("later")
    (folder / "settings.json").write_text("{}")
    (folder / "__pycache__" / "x.py").write_text("")
    assert list(pack.inventory.packs()) == before


SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("files", "commit"),
    [
        ({"HEAD": SHA + "\n"}, SHA),
        ({"HEAD": "ref: refs/heads/main\n", "refs/heads/main": SHA + "\n"}, SHA),
        ({"HEAD": "ref: refs/heads/main\n", "packed-refs": f"# pack-refs\n{SHA} refs/heads/main\n"}, SHA),
        ({"HEAD": "ref: refs/heads/main\n", "packed-refs": f"{SHA} refs/heads/other/refs/heads/main\n"}, None),
        ({"HEAD": "ref: refs/../../../secret\n"}, None),
        ({"HEAD": "rubbish"}, None),
        ({}, None),
    ],
    ids=["detached", "branch", "packed", "packed other", "leading out", "rubbish", "no repository"],
)
def test_the_commit_of_a_checkout_is_read_from_its_files(pack, tmp_path, files, commit):
    for name, text in files.items():
        path = tmp_path / ".git" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert pack.inventory.commit(str(tmp_path)) == commit


def test_the_commit_of_a_submodule_is_where_its_file_says(pack, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "HEAD").write_text(SHA)
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / ".git").write_text("gitdir: ../real\n")
    assert pack.inventory.commit(str(tmp_path / "sub")) == SHA


def test_outside_of_comfyui_nothing_is_found_and_nothing_fails(pack, monkeypatch):
    for module in ("folder_paths", "comfyui_version", "torch"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    prompt = {"1": {"class_type": "L", "inputs": {"ckpt_name": "a.safetensors", "image": "a.png"}}, "2": 5}
    found = pack.inventory.take(prompt)
    assert (found["packs"], found["torch"], found["comfyui_version"]) == ([], None, None)
    assert (found["models"][0]["sha256"], found["inputs"][0]["sha256"]) == (None, None)
