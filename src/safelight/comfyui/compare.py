"""A bundle beside the ComfyUI where it is to run: what differs, and what of it stands in the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import anyio.to_thread

from ..locales import text
from .bundle import Bundle, Carried, missing_files
from .client import Client
from .inventory import CORE, InputFile, Inventory, Model, Pack, file_there, take
from .pack.graph import input_files
from .replay import Submission, submit


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not there as it was."""

    key: str
    blocking: bool
    """Whether it cannot run like this."""
    values: dict[str, Any]

    def render(self, language: str) -> str:
        """As a sentence."""
        return text(self.key, language, **self.values)


async def differences(bundle: Bundle, client: Client) -> list[Difference]:
    """What differs there, what stands in the way first. Raises ServiceError."""
    there = await take(client, bundle.submission.prompt)
    found = [*_prompt(bundle), *between(bundle.manifest.made_with, there), *_files(bundle, there)]
    return sorted(found, key=lambda one: not one.blocking)


def between(was: Inventory, there: Inventory) -> Iterator[Difference]:
    """Classes, packs, versions and models."""
    for name, installed in there.classes.items():
        if installed is None:
            pack = was.classes.get(name)
            if pack is None:
                yield _blocks("bundle.class_missing", node=name)
            elif pack == CORE:
                version = was.versions.get(CORE, "?")
                yield _blocks("bundle.class_missing_in_core", node=name, version=version)
            else:
                yield _blocks("bundle.class_missing_of_pack", node=name, pack=pack)
    models = {model.name: model for model in there.models}
    for model in was.models or there.models:
        yield from _model(model, models.get(model.name, Model(model.name)), hashed=was.hashed and there.hashed)
    for what, version in was.versions.items():
        other = there.versions.get(what)
        if other is not None and other != version:
            yield _differs("bundle.version", what=what, was=version, there=other)
    packs = {pack.name: pack for pack in there.packs}
    for pack_was in was.packs:
        if pack_was.name in packs:
            yield from _pack(pack_was, packs[pack_was.name])


async def replay(bundle: Bundle, client: Client, submission: Submission) -> tuple[str, list[Difference]]:
    """Upload what is not there, then submit: the new run's id, and the files that went under another name.

    A file of the same name with other content is never touched: ours goes into a folder of its own, and the prompt
    refers to that. Raises InputError, PromptRejected, ServiceError.
    """
    renamed: list[Difference] = []
    for file in bundle.manifest.files:
        there = await file_there(client, file.name, file.type)
        if there.sha256 == file.sha256:
            continue
        name = file.name if there.sha256 is None else _own_name(file)
        stored = await _upload(bundle, client, file, name)
        if stored != file.name:
            submission = submission.with_inputs(_references(submission, file, stored))
            renamed.append(_differs("bundle.uploaded_as", name=file.name, stored=stored))
    return await submit(client, submission), renamed


async def _upload(bundle: Bundle, client: Client, file: Carried, name: str) -> str:
    """The name that it has there."""
    content = await anyio.to_thread.run_sync(bundle.content, file)
    subfolder, _, last = name.rpartition("/")
    answer = await client.upload(last, content, subfolder, file.type)
    return "/".join(filter(None, (str(answer.get("subfolder") or "").replace("\\", "/"), str(answer["name"]))))


def _own_name(file: Carried) -> str:
    path = PurePosixPath(file.name)
    return str(path.parent / f"safelight-{file.sha256[:8]}" / path.name)


def _references(submission: Submission, file: Carried, stored: str) -> dict[tuple[str, str], str]:
    value = stored if file.type == "input" else f"{stored} [{file.type}]"
    return {
        (one["node_id"], one["input"]): value
        for one in input_files(submission.prompt)
        if one["name"] == file.name and one.get("type", "input") == file.type
    }


def _prompt(bundle: Bundle) -> Iterator[Difference]:
    if bundle.edited:
        yield _differs("bundle.prompt_edited")
    for name in bundle.submission.removed:
        yield _blocks("bundle.secret_removed", input=name)


def _model(was: Model, there: Model, *, hashed: bool) -> Iterator[Difference]:
    if there.there is False:
        yield _blocks("bundle.model_missing", name=was.name)
    elif was.sha256 and there.sha256 and was.sha256 != there.sha256:
        yield _differs("bundle.model_differs", name=was.name, was=was.sha256[:12], there=there.sha256[:12])
    elif not hashed:
        yield _differs("bundle.model_unknown", name=was.name)


def _pack(was: Pack, there: Pack) -> Iterator[Difference]:
    if was.sha256 and there.sha256:
        if was.sha256 != there.sha256:
            yield _differs("bundle.pack_differs", pack=was.name, was=_named(was), there=_named(there))
    elif was.version != there.version:
        yield _differs("bundle.pack_differs", pack=was.name, was=_named(was), there=_named(there))
    else:
        yield _differs("bundle.pack_unknown", pack=was.name)


def _files(bundle: Bundle, there: Inventory) -> Iterator[Difference]:
    carried = {(file.name, file.type): file for file in bundle.manifest.files}
    found = {(file.name, file.type): file for file in there.files}
    never_there = {(file.name, file.type) for file in missing_files(bundle.manifest.made_with)}
    for key, file in found.items():
        ours = carried.get(key)
        if ours is None:
            if file.sha256 is None and key not in never_there:
                known = bool(bundle.manifest.made_with.classes)  # else it may be no file at all
                yield Difference("bundle.file_missing", blocking=known, values={"name": file.name})
        else:
            yield from _carried(ours, file)


def _carried(ours: Carried, there: InputFile) -> Iterator[Difference]:
    if there.sha256 is None:
        yield _differs("bundle.file_to_upload", name=ours.name)
    elif there.sha256 != ours.sha256:
        yield _differs("bundle.file_differs", name=ours.name, stored=_own_name(ours))


def _named(pack: Pack) -> str:
    return pack.version or (pack.commit or pack.sha256 or "?")[:12]


def _blocks(key: str, **values: Any) -> Difference:
    return Difference(key, blocking=True, values=values)


def _differs(key: str, **values: Any) -> Difference:
    return Difference(key, blocking=False, values=values)
