"""ComfyUI's inside as far as the node pack touches it, small: the same modules, names, signatures and order of calls.

    comfyui = ComfyUI(monkeypatch, "0.27")     # or "0.3.64", or "0.1": before coroutines and progress handlers
    comfyui.classes["Add"] = lambda inputs: [[inputs["a"][0] + 1]]
    comfyui.run({"1": {"class_type": "Add", "inputs": {"a": 1}}})

A class is a function of {input: [values]} that returns a list of values for each output. It may raise; it may return
PENDING, and is asked again; it may return a dictionary {"ui": ..., "result": [...]}.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from enum import Enum
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

PENDING = object()


class ExecutionResult(Enum):
    SUCCESS = 0
    FAILURE = 1
    PENDING = 2


class InterruptProcessingException(Exception):
    """A person has pressed stop."""


class Graph:
    """The prompt, and the nodes that it grew."""

    def __init__(self, prompt: dict[str, Any]) -> None:
        self.prompt, self.grown = prompt, dict[str, tuple[dict[str, Any], str]]()

    def grow(self, node_id: str, node: dict[str, Any], parent: str) -> None:
        self.grown[node_id] = (node, parent)

    def get_node(self, node_id: str) -> dict[str, Any]:
        return self.prompt[node_id] if node_id in self.prompt else self.grown[node_id][0]

    def get_parent_node_id(self, node_id: str) -> str | None:
        return self.grown[node_id][1] if node_id in self.grown else None

    def get_display_node_id(self, node_id: str) -> str:
        return self.grown[node_id][1] if node_id in self.grown else node_id


class Cache(dict[str, Any]):
    """The cache of 0.3.64 answers by `get`; that of 0.27 by a coroutine, and by `get_local` at once."""


class NewCache:
    def __init__(self) -> None:
        self.entries: dict[str, Any] = {}

    def get_local(self, node_id: str) -> Any:
        return self.entries.get(node_id)

    async def get(self, node_id: str) -> Any:
        return self.entries.get(node_id)


class ComfyUI:
    """The modules, in `sys.modules` for the length of a test, and one executor."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, version: str = "0.27") -> None:
        self.version, self.classes, self.sent = version, dict[str, Any](), list[tuple[Any, ...]]()
        self.calls: list[str] = []  # node ids, one for each attempt that really came through
        self.graph: Graph | None = None
        self.execution = self._execution()
        self.models: list[Any] = []
        self.manager = ModuleType("comfy.model_management")
        self.manager.__dict__.update(
            InterruptProcessingException=InterruptProcessingException,
            current_loaded_models=self.models,
            load_models_gpu=lambda models, memory_required=0: self.models.extend(models),
            unload_all_models=self.models.clear,
            get_torch_device=lambda: "cpu",
        )
        self.server = self._server()
        modules: dict[str, Any] = {
            "execution": self.execution,
            "server": self.server,
            "comfy.model_management": self.manager,
            "comfy.cli_args": SimpleNamespace(args=SimpleNamespace(port=8188)),
            "comfyui_version": SimpleNamespace(__version__=version),
            "aiohttp.web": SimpleNamespace(json_response=lambda data, status=200: (status, data)),
        }
        self.progress = self._progress()
        if version != "0.1":
            modules["comfy_execution.progress"] = self.progress
        for name in ("comfy_execution.progress", *modules):
            if name in modules:
                monkeypatch.setitem(sys.modules, name, modules[name])
            else:
                monkeypatch.delitem(sys.modules, name, raising=False)
        self.instance = self.server.PromptServer.instance
        self.queue = self.instance.prompt_queue
        self.executor = self.execution.PromptExecutor(self.instance)

    def put(self, prompt: Any, prompt_id: str = "run-1", extra_data: Any = None, keys: Any = None) -> None:
        item = (0, prompt_id, prompt, extra_data or {}, list(prompt))
        self.queue.put(item if self.version != "0.27" else (*item, keys or {}))

    def work(self) -> None:
        """What the worker thread does with one prompt."""
        item, number = self.queue.get()
        self.executor.execute(item[2], item[1], item[3], item[4])
        self.queue.task_done(number, {}, None)

    def run(self, prompt: dict[str, Any], prompt_id: str = "run-1", **more: Any) -> None:
        self.put(prompt, prompt_id, **more)
        self.work()

    def _server(self) -> ModuleType:
        module, sent, queue = ModuleType("server"), self.sent, self.execution.PromptQueue()

        class PromptServer:
            instance: Any = None

            def __init__(self) -> None:
                self.client_id, self.prompt_queue = None, queue
                self.app = SimpleNamespace(middlewares=[])
                self.routes = SimpleNamespace(get=lambda _: lambda f: f, post=lambda _: lambda f: f)

            def send_sync(self, event: str, data: Any, sid: Any = None) -> None:
                sent.append((event, data, sid))

        PromptServer.instance = PromptServer()
        module.PromptServer = PromptServer  # type: ignore[attr-defined]
        return module

    def _progress(self) -> ModuleType:
        module = ModuleType("comfy_execution.progress")

        class ProgressHandler:
            def __init__(self, name: str) -> None:
                self.name, self.enabled = name, True

            def set_registry(self, registry: Any) -> None: ...
            def start_handler(self, *_: Any) -> None: ...
            def update_handler(self, *_: Any) -> None: ...
            def finish_handler(self, *_: Any) -> None: ...

        module.handlers = {}  # type: ignore[attr-defined]

        def add(handler: Any) -> None:
            module.handlers[handler.name] = handler

        module.__dict__.update(ProgressHandler=ProgressHandler, add_progress_handler=add)
        return module

    def step(self, node_id: str, value: float, most: float) -> None:
        """A node's progress bar moves."""
        for handler in self.progress.__dict__["handlers"].values():
            handler.update_handler(node_id, value, most, {}, "run-1", None)

    def _execution(self) -> ModuleType:  # noqa: C901 - one small copy of a large module
        module, self_ = ModuleType("execution"), self
        new = self.version == "0.27"

        class PromptQueue:
            def __init__(self) -> None:
                self.queue: list[Any] = []
                self.currently_running: dict[int, Any] = {}

            def put(self, item: Any) -> None:
                self.queue.append(item)

            def get(self, timeout: float | None = None) -> Any:
                item = self.queue.pop(0)
                self.currently_running[1] = item
                return item, 1

            def task_done(self, item_id: int, history_result: Any, status: Any, process_item: Any = None) -> None:
                self.currently_running.pop(item_id)

            def wipe_queue(self) -> None:
                self.queue = []

            def delete_queue_item(self, function: Any) -> bool:
                for number, item in enumerate(self.queue):
                    if function(item):
                        if len(self.queue) == 1:
                            self.wipe_queue()
                        else:
                            self.queue.pop(number)
                        return True
                return False

        class PromptExecutor:
            def __init__(self, server: Any) -> None:
                self.server, self.success, self.status_messages = server, True, list[Any]()
                outputs: Any = NewCache() if new else Cache()
                self.caches = SimpleNamespace(outputs=outputs, ui=Cache())

            def add_message(self, event: str, data: dict[str, Any], broadcast: bool) -> None:
                self.status_messages.append((event, data))

            def execute(self, prompt: Any, prompt_id: str, extra_data: Any = {}, execute_outputs: Any = []) -> None:  # noqa: B006
                self.add_message("execution_start", {"prompt_id": prompt_id}, broadcast=False)
                self_.graph, self_.progress.handlers = Graph(prompt), {}
                known = self.caches.outputs.entries if new else self.caches.outputs
                cached = [node_id for node_id in prompt if node_id in known]
                self.add_message("execution_cached", {"nodes": cached, "prompt_id": prompt_id}, broadcast=False)
                arguments = (self.server, self_.graph, self.caches)
                tail = (set(), prompt_id, None, {}, *(() if self_.version == "0.1" else ({},)), *(({},) if new else ()))
                waiting = [node_id for node_id in prompt if node_id not in cached]

                async def loop() -> None:
                    while waiting:
                        node_id = waiting.pop(0)
                        result = module.execute(*arguments, node_id, extra_data, *tail)
                        result, error, raised = await result if inspect.isawaitable(result) else result
                        if result is ExecutionResult.FAILURE:
                            stopped = isinstance(raised, InterruptProcessingException)
                            end = "execution_interrupted" if stopped else "execution_error"
                            self.add_message(end, {"prompt_id": prompt_id, **error}, broadcast=False)
                            return
                        if result is ExecutionResult.PENDING:
                            waiting.extend(self_.graph.grown.keys() - known.keys() if self_.graph else ())
                            waiting.append(node_id)
                    self.add_message("execution_success", {"prompt_id": prompt_id}, broadcast=False)

                asyncio.run(loop())

        def get_input_data(
            inputs: Any,
            class_def: Any,
            unique_id: str,
            outputs: Any = None,
            dynprompt: Any = None,
            extra_data: Any = None,
        ) -> Any:
            values = {name: value if isinstance(value, list) else [value] for name, value in inputs.items()}
            values["their_key"] = ["ComfyUI's own"]  # hidden inputs
            return values, {}, {}

        def attempt(dynprompt: Any, caches: Any, unique_id: str, executed: Any, prompt_id: str, ui_outputs: Any) -> Any:
            known = caches.outputs.entries if new else caches.outputs
            if unique_id in known:
                return ExecutionResult.SUCCESS, None, None
            node = dynprompt.get_node(unique_id)
            self_.calls.append(unique_id)
            try:
                for handler in self_.progress.__dict__["handlers"].values():
                    handler.start_handler(unique_id, {}, prompt_id)
                values = module.get_input_data(node["inputs"], None, unique_id, None, dynprompt, {})[0]
                result = self_.classes[node["class_type"]](values)
                if result is PENDING:
                    return ExecutionResult.PENDING, None, None
                ui = result.get("ui") if isinstance(result, dict) else None
                outputs = result["result"] if isinstance(result, dict) else result
                shown = {"meta": {}, "output": ui} if ui else None
                known[unique_id] = SimpleNamespace(outputs=outputs, ui=shown) if new else outputs
                if shown and not new:
                    caches.ui[unique_id] = shown
            except Exception as raised:  # noqa: BLE001 - as ComfyUI does
                error = {"node_id": unique_id, "exception_message": str(raised), "exception_type": "x"}
                if isinstance(raised, MemoryError):
                    self_.manager.__dict__["unload_all_models"]()
                return ExecutionResult.FAILURE, error, raised
            executed.add(unique_id)
            return ExecutionResult.SUCCESS, None, None

        if self.version == "0.1":

            def execute(
                server: Any, dynprompt: Any, caches: Any, current_item: str, extra_data: Any, executed: Any,
                prompt_id: str, execution_list: Any, pending_subgraph_results: Any,
            ) -> Any:  # fmt: skip
                return attempt(dynprompt, caches, current_item, executed, prompt_id, {})

            def validate_prompt(prompt: Any) -> Any:
                return self_.verdict
        else:

            async def execute(  # type: ignore[misc]
                server: Any, dynprompt: Any, caches: Any, current_item: str, extra_data: Any, executed: Any,
                prompt_id: str, execution_list: Any, pending_subgraph_results: Any, pending_async_nodes: Any,
                ui_outputs: Any = None,
            ) -> Any:  # fmt: skip
                await asyncio.sleep(0)
                return attempt(dynprompt, caches, current_item, executed, prompt_id, ui_outputs)

            async def validate_prompt(prompt_id: str, prompt: Any, partial: Any = None) -> Any:  # type: ignore[misc]
                return self_.verdict

        module.__dict__.update(
            PromptQueue=PromptQueue,
            PromptExecutor=PromptExecutor,
            ExecutionResult=ExecutionResult,
            get_input_data=get_input_data,
            execute=execute,
            validate_prompt=validate_prompt,
        )
        return module

    verdict: Any = (True, None, ["1"], {})
    """What the validation says."""
