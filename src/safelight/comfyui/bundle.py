"""A run in a file that opens elsewhere: the prompt, the workflow, the input files, and what it was made with.

    manifest.json           see `Manifest`
    prompt.json             the prompt in its API form
    workflow.json           the author's graph, when the client sent one
    extra.json              what else went with it, without secrets
    inputs/000-photo.png    the files that its nodes read

A bundle may come from anybody. Nothing of it is ever unpacked to a path that it names; every size is bounded while it
is read, whatever the archive claims; what is wrong is said in one sentence (InputError).
"""

from __future__ import annotations

import json
import lzma
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any, Final

import anyio.to_thread
import msgspec

from .._version import __version__
from ..errors import InputError
from ..rows import iso
from .client import ANSWER_LIMIT, Client
from .inventory import NOTHING, InputFile, Inventory, fetch, named_files, take
from .pack import document
from .replay import Submission

FORMAT: Final = 1
MOST_MEMBERS: Final = 1_000
MOST_JSON: Final = 64 * 1024 * 1024
"""Bytes of one JSON member, unpacked; a kept prompt has 8 MB at most."""
MOST_FILE: Final = ANSWER_LIMIT
"""Bytes of one input file; a larger one stays where it is, and the manifest says so."""
_FIXED: Final = frozenset({"manifest.json", "prompt.json", "workflow.json", "extra.json"})
_MEMBER: Final = re.compile(r"inputs/[0-9]{3}-[\w.\- ]{1,120}")
_UNSAFE: Final = re.compile(r"[^\w.\-]+")
_BROKEN: Final = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, NotImplementedError, RuntimeError, ValueError),
)
"""What `zipfile` raises over archives that are damaged, encrypted, or packed in a way it does not know."""


class Run(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which run it was."""

    id: str
    instance: str | None = None
    workflow_name: str | None = None
    graph_hash: str | None = None
    queued_at: str | None = None


class Carried(msgspec.Struct, frozen=True):
    """An input file in the bundle."""

    member: str
    name: str
    type: str
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """What the bundle says of itself."""

    format: int
    safelight: str
    written_at: str
    run: Run
    made_with: Inventory
    files: tuple[Carried, ...] = ()
    removed: tuple[str, ...] = ()
    """Inputs whose values were secrets."""
    prompt_sha256: str | None = None
    """Of its canonical text; None in bundles of versions that did not say it."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened bundle; the content of its input files is read when it is needed."""

    path: Path
    manifest: Manifest
    submission: Submission
    edited: bool = False
    """Whether the prompt is another one than was put in."""

    def content(self, file: Carried) -> bytes:
        """An input file. Raises InputError when it is not what the manifest says."""
        with _archive(self.path) as archive:
            content = _read(archive, self.path, file.member, MOST_FILE)
        if sha256(content).hexdigest() != file.sha256:
            raise InputError("bundle.file_damaged", path=self.path, name=file.name)
        return content


async def write(path: Path, submission: Submission, client: Client | None) -> Manifest:
    """Write a bundle: with what `client`, the ComfyUI where it ran, has of it now; without it, of prompt and workflow
    alone. Raises ServiceError, OSError."""
    made_with = await take(client, submission.prompt) if client is not None else NOTHING
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        carried = await _carry(archive, submission, client) if client is not None else []
        manifest = _manifest_of(submission, made_with, carried)
        members: dict[str, Any] = {"manifest.json": msgspec.to_builtins(manifest), "prompt.json": submission.prompt}
        if submission.workflow is not None:
            members["workflow.json"] = submission.workflow
        if submission.extra:
            members["extra.json"] = submission.extra
        for member, value in members.items():
            written = json.dumps(value, ensure_ascii=False, indent=2).encode("utf-8", "backslashreplace")
            await anyio.to_thread.run_sync(archive.writestr, member, written)
    return manifest


async def _carry(archive: zipfile.ZipFile, submission: Submission, client: Client) -> list[Carried]:
    """Put the input files in that are there, of a size to be fetched, and of a name that is one everywhere."""
    carried: list[Carried] = []
    for name, kind in named_files(submission.prompt):
        if len(carried) == MOST_MEMBERS - len(_FIXED):
            break
        content = await fetch(client, name, kind) if is_plain(name) else None
        if content is not None:
            member = f"inputs/{len(carried):03d}-{_harmless(name)}"
            carried.append(Carried(member, name, kind, len(content), sha256(content).hexdigest()))
            await anyio.to_thread.run_sync(archive.writestr, member, content, zipfile.ZIP_STORED)
    return carried


def _manifest_of(submission: Submission, made_with: Inventory, carried: list[Carried]) -> Manifest:
    run = Run(
        submission.run_id,
        submission.instance,
        submission.workflow_name,
        submission.graph_hash,
        submission.queued_at,
    )
    written_at = iso(datetime.now(UTC))
    prompt = _hash(submission.prompt)
    return Manifest(FORMAT, __version__, written_at, run, made_with, tuple(carried), submission.removed, prompt)


def read(path: Path) -> Bundle:
    """Open a bundle. Raises InputError."""
    with _archive(path) as archive:
        members = {info.filename for info in archive.infolist()}
        if len(archive.infolist()) > MOST_MEMBERS:
            raise InputError("bundle.too_many", path=path, limit=MOST_MEMBERS)
        strange = next((name for name in members if name not in _FIXED and not _MEMBER.fullmatch(name)), None)
        if strange is not None:
            raise InputError("bundle.strange_member", path=path, member=strange[:200])
        manifest = _manifest(_read(archive, path, "manifest.json", MOST_JSON), path)
        prompt = _object(archive, path, "prompt.json")
        workflow = _value(archive, path, "workflow.json") if "workflow.json" in members else None
        extra = _object(archive, path, "extra.json") if "extra.json" in members else {}
    if not prompt:
        raise InputError("bundle.empty_prompt", path=path)
    for file in manifest.files:
        if file.member not in members:
            raise InputError("bundle.no_member", path=path, member=file.member[:200])
        if not is_plain(file.name) or file.type not in {"input", "output", "temp"}:
            raise InputError("bundle.bad_name", path=path, name=file.name[:200])
    run = manifest.run
    return Bundle(
        path,
        manifest,
        Submission(
            run.id,
            prompt,
            workflow,
            extra,
            run.instance,
            run.workflow_name,
            run.graph_hash,
            run.queued_at,
            manifest.removed,
        ),
        edited=manifest.prompt_sha256 is not None and manifest.prompt_sha256 != _hash(prompt),
    )


def is_plain(name: str) -> bool:
    """Whether a file name stays below its folder wherever it is used, on Windows as well."""
    parts = PurePosixPath(name).parts
    return (
        0 < len(name) <= 500
        and name.isprintable()
        and not any(char in name for char in '\\:*?"<>|')
        and not name.startswith("/")
        and not any(part in {".", ".."} for part in parts)
    )


def missing_files(inventory: Inventory) -> list[InputFile]:
    """Those that were not found."""
    return [file for file in inventory.files if file.sha256 is None]


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except OSError as error:
        raise InputError("bundle.unreadable", path=path, reason=error.strerror or str(error)) from error
    except _BROKEN as error:
        raise InputError("bundle.not_a_bundle", path=path, reason=str(error) or type(error).__name__) from error


def _read(archive: zipfile.ZipFile, path: Path, member: str, limit: int) -> bytes:
    """A member, of which no more is unpacked than it may have, whatever its header says."""
    try:
        with archive.open(member) as opened:
            content = opened.read(limit + 1)
    except KeyError as error:
        raise InputError("bundle.no_member", path=path, member=member) from error
    if len(content) > limit:
        raise InputError("bundle.too_large", path=path, member=member, limit=limit >> 20)
    return content


def _manifest(content: bytes, path: Path) -> Manifest:
    try:
        version = msgspec.json.decode(content, type=dict[str, Any]).get("format")
        if version != FORMAT:
            raise InputError("bundle.other_format", path=path, format=version, known=FORMAT)
        return msgspec.json.decode(content, type=Manifest)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise InputError("bundle.bad_json", path=path, member="manifest.json", reason=str(error)) from error


def _object(archive: zipfile.ZipFile, path: Path, member: str) -> dict[str, Any]:
    value = _value(archive, path, member)
    if not isinstance(value, dict) or (
        member == "prompt.json" and not all(isinstance(n, dict) for n in value.values())
    ):
        raise InputError("bundle.bad_json", path=path, member=member, reason="not an object")
    return value


def _value(archive: zipfile.ZipFile, path: Path, member: str) -> Any:
    try:
        return json.loads(_read(archive, path, member, MOST_JSON))
    except (ValueError, RecursionError) as error:
        raise InputError("bundle.bad_json", path=path, member=member, reason=str(error)) from error


def _hash(prompt: Mapping[str, Any]) -> str:
    return document.sha256(document.canonical(prompt))


def _harmless(name: str) -> str:
    """The last part of a name, as part of a member's."""
    return _UNSAFE.sub("_", name.rpartition("/")[2])[-100:] or "file"
