"""Which image is shown for a file that an event names: none that the run did not write."""

from __future__ import annotations

import os
import socket
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from safelight.answers import output
from safelight.answers.runs.outputs import MOST_BYTES, Output, image, of_this_machine
from safelight.store.segments import SegmentStore
from support.runs import batch, story

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
HERE = socket.gethostname()


@pytest.fixture
def saved(tmp_path):
    folder = tmp_path / "output" / "cats"
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes(PNG)
    return Output("a.png", "cats", "output", str(folder / "a.png"), HERE, "gpu-1:8188")


def test_an_image_of_this_machine_is_what_its_bytes_say(saved):
    found = of_this_machine(saved)
    assert (found.data, found.media_type) == (PNG, "image/png")


@pytest.mark.parametrize(
    "change",
    [
        {"host": "another-machine"},
        {"host": None},
        {"path": None},
        {"filename": "b.png"},
        {"subfolder": "dogs"},
        {"path": "relative/cats/a.png"},
        {"path": "/nowhere/cats/a.png"},
        {"path": "/nowhere/cats/a.png\x00"},
        {"subfolder": ".."},
        {"subfolder": "", "filename": "cats/../cats/a.png"},
    ],
)
def test_what_does_not_fit_the_event_is_not_read(saved, change):
    assert of_this_machine(replace(saved, **change)) is None


def test_a_path_with_steps_upwards_is_not_read_even_if_it_leads_to_the_file(saved, tmp_path):
    crooked = str(tmp_path / "output" / "other" / ".." / "cats" / "a.png")
    assert of_this_machine(replace(saved, path=crooked)) is None


@pytest.mark.parametrize("content", [b"root:x:0:0", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"", b"\x89PNG"])
def test_a_file_that_is_no_image_is_not_shown_whatever_its_name(saved, tmp_path, content):
    (tmp_path / "output" / "cats" / "a.png").write_bytes(content)
    assert of_this_machine(saved) is None


def test_a_link_a_folder_and_a_pipe_are_not_read(saved, tmp_path):
    folder = tmp_path / "output" / "cats"
    (tmp_path / "secret.png").write_bytes(PNG)
    (folder / "l.png").symlink_to(tmp_path / "secret.png")
    (folder / "d.png").mkdir()
    os.mkfifo(folder / "p.png")
    for name in ("l.png", "d.png", "p.png"):
        assert of_this_machine(replace(saved, filename=name, path=str(folder / name))) is None


def test_a_file_over_the_limit_is_not_read(saved, tmp_path):
    with (tmp_path / "output" / "cats" / "a.png").open("r+b") as file:
        file.truncate(MOST_BYTES + 1)
    assert of_this_machine(saved) is None


@pytest.mark.parametrize(
    ("begin", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"\x00\x00\x00 ftypavif", "image/avif"),
    ],
)
def test_images_are_known_by_their_first_bytes(begin, kind):
    assert image(begin).media_type == kind


def test_the_file_of_an_index_is_the_one_that_the_run_lists_under_it(tmp_path):
    run = story("twice", datetime.now(UTC))
    with SegmentStore.open(tmp_path) as store:
        store.append(batch(run.events))
        found = output(store, run.id, 0)
        assert (found.filename, found.path) == ("ComfyUI_00042_.png", "/data/output/ComfyUI_00042_.png")
        assert output(store, run.id, 1) is None
        assert output(store, "no-such-run", 0) is None
