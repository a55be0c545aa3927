"""A bundle opens elsewhere, says what differs before it runs, and harms nobody who opens it, whoever made it."""

from __future__ import annotations

import contextlib
import json
import zipfile
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.comfyui import bundle
from safelight.comfyui.bundle import Bundle, is_plain, read, write
from safelight.comfyui.client import Client
from safelight.comfyui.compare import differences, replay
from safelight.comfyui.replay import Submission, removed
from safelight.errors import InputError
from support.studio_next_door import Studio, listening

pytestmark = pytest.mark.anyio

PROMPT = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd15.safetensors"}},
    "2": {"class_type": "LoadImage", "inputs": {"image": "portrait.png"}},
    "3": {"class_type": "LoadImage", "inputs": {"image": "studio/back ground.png [output]"}},
    "4": {"class_type": "Retouch", "inputs": {"image": ["2", 0], "strength": 0.5}},
}
CLASSES = {"CheckpointLoaderSimple": "nodes", "LoadImage": "nodes", "Retouch": "custom_nodes.darkroom.nodes"}
FILES = {("input", "portrait.png"): b"portrait", ("output", "studio/back ground.png"): b"background"}
RUN = Submission("run-1", PROMPT, {"nodes": []}, {"note": "x"}, "gpu-01", "ID photo", "abc123", "2026-11-22T10:00:00Z")


def with_pack(sha="a" * 64, version="1.0", model="m" * 64, files=FILES):
    return {
        "packs": [{"name": "darkroom", "version": version, "commit": None, "sha256": sha}],
        "models": [
            {"node_id": "1", "input": "ckpt_name", "name": "sd15.safetensors", "folder": "checkpoints"}
            | {"bytes": 4 if model else None, "sha256": model}
        ],
        "inputs": [
            {"name": name, "bytes": len(content), "sha256": bundle.sha256(content).hexdigest()}
            for (_, name), content in files.items()
        ],
    }


def studio(**more):
    return Studio(classes=dict(CLASSES), files=dict(FILES), **more)


@pytest.fixture
def home():
    with listening(studio(inventory=with_pack())) as opened:
        yield opened


@pytest.fixture
def away():
    with listening(studio(inventory=with_pack())) as opened:
        yield opened


async def bundled(tmp_path, home, run=RUN) -> Bundle:
    path = tmp_path / "run.zip"
    async with Client(home.url) as client:
        await write(path, run, client)
    return read(path)


async def differing(opened, away):
    async with Client(away.url) as client:
        return {one.key.removeprefix("bundle."): one for one in await differences(opened, client)}


async def test_what_was_put_in_comes_out(tmp_path, home):
    opened = await bundled(tmp_path, home)
    assert opened.submission == RUN
    made_with = opened.manifest.made_with
    assert made_with.versions == {"ComfyUI": "0.27.0", "Python": "3.11.7"}
    assert made_with.classes == {"CheckpointLoaderSimple": "ComfyUI", "LoadImage": "ComfyUI", "Retouch": "darkroom"}
    assert [(pack.name, pack.sha256) for pack in made_with.packs] == [("darkroom", "a" * 64)]
    assert [(model.name, model.sha256) for model in made_with.models] == [("sd15.safetensors", "m" * 64)]
    assert {(file.type, file.name): opened.content(file) for file in opened.manifest.files} == FILES


async def test_the_same_studio_differs_in_nothing(tmp_path, home, away):
    assert not await differing(await bundled(tmp_path, home), away)


async def test_a_prompt_that_was_edited_is_said_to_have_been_and_stops_nothing(tmp_path, home, away):
    opened = await bundled(tmp_path, home)
    given = replace(opened, submission=opened.submission.given({"4.strength": "0.7"}))
    assert not await differing(given, away)
    with zipfile.ZipFile(opened.path) as archive_:
        members = {name: archive_.read(name) for name in archive_.namelist()}
    edited = {**PROMPT, "4": {**PROMPT["4"], "inputs": {"image": ["2", 0], "strength": 0.9}}}
    found = await differing(read(archive(tmp_path, members | {"prompt.json": edited})), away)
    assert [(key, one.blocking) for key, one in found.items()] == [("prompt_edited", False)]


async def test_a_bundle_of_a_version_that_kept_no_hash_of_its_prompt_says_nothing_of_it(tmp_path, away):
    assert "prompt_edited" not in await differing(read(archive(tmp_path, GOOD)), away)


async def test_without_the_node_pack_hashes_are_unknown_and_said_to_be(tmp_path, home, away):
    home.inventory = None
    opened = await bundled(tmp_path, home)
    assert not opened.manifest.made_with.hashed
    assert [model.there for model in opened.manifest.made_with.models] == [True]
    assert set(await differing(opened, away)) == {"model_unknown", "pack_differs"}
    away.inventory = None
    assert set(await differing(opened, away)) == {"model_unknown", "pack_unknown"}


async def test_what_stands_in_the_way_comes_first(tmp_path, home, away):
    away.inventory = with_pack(model=None)
    away.version = "0.3.64"
    away.classes.pop("Retouch")
    away.classes.pop("LoadImage")
    opened = await bundled(tmp_path, home)
    async with Client(away.url) as client:
        found = await differences(opened, client)
    assert [one.blocking for one in found] == [True, True, True, False]
    said = [one.render("en") for one in found]
    assert "LoadImage is not there; it came with ComfyUI 0.27.0" in said[0]
    assert "install the node pack darkroom" in said[1]
    assert "sd15.safetensors is not there" in said[2]
    assert said[3] == "ComfyUI is 0.3.64 there, and was 0.27.0."


async def test_a_model_that_no_node_offers_is_missing_also_without_the_pack(tmp_path, home, away):
    away.inventory, away.models = None, ("other.safetensors",)
    assert (await differing(await bundled(tmp_path, home), away))["model_missing"].blocking


async def test_another_model_of_that_name_and_another_pack_are_told(tmp_path, home, away):
    away.inventory = with_pack(sha="b" * 64, version="2.0", model="n" * 64)
    found = await differing(await bundled(tmp_path, home), away)
    assert set(found) == {"model_differs", "pack_differs"}
    assert "2.0, and was 1.0" in found["pack_differs"].render("en")
    assert not any(one.blocking for one in found.values())


async def test_a_removed_secret_stands_in_the_way_until_it_is_given(tmp_path, home, away):
    prompt = PROMPT | {"5": {"class_type": "Retouch", "inputs": {"api_key": "[REDACTED]"}}}
    opened = await bundled(tmp_path, home, Submission("run-1", prompt, removed=removed(prompt)))
    assert (await differing(opened, away))["secret_removed"].blocking
    given = opened.submission.given({"5.api_key": "k"})
    assert not await differing(replace(opened, submission=given), away)


async def test_missing_input_files_are_uploaded_under_their_names(tmp_path, home, away):
    away.files.clear()
    away.inventory = with_pack(files={})
    opened = await bundled(tmp_path, home)
    assert set(await differing(opened, away)) == {"file_to_upload"}
    async with Client(away.url) as client:
        run_id, renamed = await replay(opened, client, opened.submission)
    assert (run_id, renamed) == ("new-1", [])
    assert away.files == FILES
    assert away.submitted[0]["prompt"] == PROMPT


async def test_another_file_of_that_name_is_left_alone_and_ours_gets_a_folder(tmp_path, home, away):
    away.files[("input", "portrait.png")] = b"somebody else"
    away.files[("output", "studio/back ground.png")] = b"somebody else's"
    away.inventory = with_pack(files=away.files)
    opened = await bundled(tmp_path, home)
    assert set(await differing(opened, away)) == {"file_differs"}
    async with Client(away.url) as client:
        _, renamed = await replay(opened, client, opened.submission)
    assert away.files[("input", "portrait.png")] == b"somebody else"
    sent = away.submitted[0]["prompt"]
    ours = f"safelight-{opened.manifest.files[0].sha256[:8]}/portrait.png"
    assert sent["2"]["inputs"]["image"] == ours
    assert away.files["input", ours] == b"portrait"
    other = f"studio/safelight-{opened.manifest.files[1].sha256[:8]}/back ground.png"
    assert sent["3"]["inputs"]["image"] == f"{other} [output]"
    assert away.files["output", other] == b"background"
    assert len(renamed) == 2
    assert sent["4"] == PROMPT["4"]


async def test_files_that_are_there_already_are_not_sent(tmp_path, home, away):
    opened = await bundled(tmp_path, home)
    async with Client(away.url) as client:
        await replay(opened, client, opened.submission)
    assert not away.uploads


async def test_a_file_that_is_nowhere_stands_in_the_way(tmp_path, home, away):
    del home.files[("input", "portrait.png")]  # too large to be carried: known to the pack, not fetched
    away.files.clear()
    away.inventory = with_pack(files={})
    found = await differing(await bundled(tmp_path, home), away)
    assert found["file_missing"].blocking


async def test_a_text_that_only_looks_like_a_file_is_none(tmp_path, home, away):
    prompt = PROMPT | {"6": {"class_type": "Retouch", "inputs": {"filename_prefix": "out.png"}}}
    assert not await differing(await bundled(tmp_path, home, replace(RUN, prompt=prompt)), away)


async def test_a_run_whose_comfyui_is_gone_is_bundled_with_what_was_kept(tmp_path, away):
    await write(tmp_path / "run.zip", RUN, None)
    opened = read(tmp_path / "run.zip")
    assert opened.submission == RUN
    assert set(await differing(opened, away)) == {"model_unknown"}


# What a stranger sends.


def archive(tmp_path, members, *, compression=zipfile.ZIP_DEFLATED):
    path = tmp_path / "hostile.zip"
    with zipfile.ZipFile(path, "w", compression) as opened:
        for name, content in members.items():
            opened.writestr(name, content if isinstance(content, bytes | str) else json.dumps(content))
    return path


def manifest(**more):
    return {
        "format": 1,
        "safelight": "1",
        "written_at": "x",
        "run": {"id": "run-1"},
        "made_with": {"versions": {}, "classes": {}},
    } | more


def carried(member="inputs/000-a.png", name="a.png", kind="input"):
    return {"member": member, "name": name, "type": kind, "bytes": 1, "sha256": bundle.sha256(b"a").hexdigest()}


GOOD = {"manifest.json": manifest(), "prompt.json": PROMPT}
HOSTILE = {
    "no members": ({}, "missing"),
    "no prompt": ({"manifest.json": manifest()}, "prompt.json is missing"),
    "a path that climbs": (GOOD | {"../../evil.py": "x"}, "has no place"),
    "an absolute path": (GOOD | {"/etc/cron.d/x": "x"}, "has no place"),
    "a folder too many": (GOOD | {"inputs/a/000-b.png": "x"}, "has no place"),
    "no JSON": (GOOD | {"prompt.json": "{"}, "cannot be understood"),
    "deep JSON": (GOOD | {"prompt.json": "[" * 100_000}, "cannot be understood"),
    "a list for a prompt": (GOOD | {"prompt.json": []}, "not an object"),
    "an empty prompt": (GOOD | {"prompt.json": {}}, "has an empty prompt"),
    "nodes that are none": (GOOD | {"prompt.json": {"1": 5}}, "not an object"),
    "another format": (GOOD | {"manifest.json": manifest(format=99)}, "format 99"),
    "no format": (GOOD | {"manifest.json": {}}, "format"),
    "no run": (GOOD | {"manifest.json": manifest(run={})}, "cannot be understood"),
    "a list for a manifest": (GOOD | {"manifest.json": []}, "cannot be understood"),
    "a file that is not there": (GOOD | {"manifest.json": manifest(files=[carried()])}, "missing"),
    "a file elsewhere": (
        GOOD | {"manifest.json": manifest(files=[carried(name="../x.png")]), "inputs/000-a.png": "a"},
        "outside its folder",
    ),
    "a file of another kind": (
        GOOD | {"manifest.json": manifest(files=[carried(kind="models")]), "inputs/000-a.png": "a"},
        "outside its folder",
    ),
    "a bomb": (GOOD | {"workflow.json": b"0" * (bundle.MOST_JSON + 1)}, "unpacks to more than 64 MB"),
}


@pytest.mark.parametrize(("members", "said"), HOSTILE.values(), ids=HOSTILE)
async def test_what_is_wrong_with_a_bundle_is_one_sentence(tmp_path, members, said):
    with pytest.raises(InputError) as caught:
        read(archive(tmp_path, members))
    assert said in str(caught.value)


async def test_a_bundle_of_thousands_of_members_is_not_opened(tmp_path):
    with pytest.raises(InputError, match="more than 1000 members"):
        read(archive(tmp_path, GOOD | {f"inputs/{n % 1000:03d}-{n}.png": "" for n in range(1001)}))


async def test_what_is_written_can_be_opened_however_many_files_and_whatever_signs_a_prompt_has(
    tmp_path, home, monkeypatch
):
    monkeypatch.setattr(bundle, "MOST_MEMBERS", 5)
    text = {"class_type": "Retouch", "inputs": {"strength": float("inf"), "note": "\ud800"}}
    opened = await bundled(tmp_path, home, replace(RUN, prompt={**PROMPT, "9": text}))
    assert opened.submission.prompt["9"] == text
    assert [file.name for file in opened.manifest.files] == ["portrait.png"]


async def test_a_file_whose_content_was_exchanged_is_noticed(tmp_path):
    members = GOOD | {"manifest.json": manifest(files=[carried()]), "inputs/000-a.png": "b"}
    opened = read(archive(tmp_path, members))
    with pytest.raises(InputError, match="not the one that was put in"):
        opened.content(opened.manifest.files[0])


async def test_what_is_no_archive_and_what_is_not_there_is_said(tmp_path):
    path = tmp_path / "x.zip"
    with pytest.raises(InputError, match="cannot be read"):
        read(path)
    path.write_bytes(b"hello")
    with pytest.raises(InputError, match="not a bundle"):
        read(path)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_damaged_bundle_opens_or_is_refused_in_one_sentence(tmp_path_factory, data):
    tmp_path = tmp_path_factory.mktemp("damaged")
    content = bytearray(archive(tmp_path, GOOD).read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (tmp_path / "hostile.zip").write_bytes(content)
    with contextlib.suppress(InputError):
        read(tmp_path / "hostile.zip")


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("a.png", True),
        ("暗房/底片 1.png", True),
        ("../a.png", False),
        ("a/../../b.png", False),
        ("/etc/passwd", False),
        ("C:/x.png", False),
        ("a\\..\\b.png", False),
        ("a\x00.png", False),
        ("a\n.png", False),
        ("", False),
        ("x" * 501, False),
    ],
)
def test_a_name_stays_below_its_folder_or_is_not_plain(name, plain):
    assert is_plain(name) is plain
