"""What one look asks, and what it makes of an answer that is missing."""

from __future__ import annotations

from typing import Any

import pytest

from safelight.comfyui.watch.looking import Looker
from safelight.errors import ServiceError

pytestmark = pytest.mark.anyio

STATE = {"spool": "/spool", "worker_alive": True, "run": None}


class Client:
    """Answers what it was given, one after the other."""

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)

    async def pack_state(self) -> Any:
        answer = self._answers.pop(0)
        if isinstance(answer, ServiceError):
            raise answer
        return answer


def failed(key: str) -> ServiceError:
    return ServiceError(key, url="http://127.0.0.1:1", path="/safelight/state", status=500, start="", reason="")


async def test_a_pack_that_stumbles_is_still_there():
    looker = Looker(Client(STATE, failed("comfyui.failed")))
    await looker.ask_pack()
    await looker.ask_pack()
    assert looker.pack is not None


@pytest.mark.parametrize("answer", [None, failed("comfyui.not_comfyui")], ids=["not found", "not its answer"])
async def test_a_pack_that_is_gone_is_gone(answer):
    looker = Looker(Client(STATE, answer))
    await looker.ask_pack()
    await looker.ask_pack()
    assert looker.pack is None


async def test_a_proxy_that_fails_on_every_path_is_no_pack():
    looker = Looker(Client(failed("comfyui.failed")))
    await looker.ask_pack()
    assert looker.pack is None


async def test_a_comfyui_that_does_not_answer_is_not_asked_further():
    with pytest.raises(ServiceError):
        await Looker(Client(failed("comfyui.unreachable"))).ask_pack()
