"""What the hooks see of a run, told as events: one dictionary an event, no locks, no files.

A node's memory is read at its ends, but not twice within FRESH: a graph of a thousand nodes of a millisecond each would
otherwise spend its time on asking.
"""

from __future__ import annotations

from time import perf_counter_ns, time_ns

from . import preview
from .document import MASK, hide
from .failure import blamed, message, trace, type_name
from .graph import title as title_of
from .run import Node, Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from .images import Images
    from .memory import Memory, Reading
    from .sampler import Sampler

FRESH = 20_000_000  # ns
PROGRESS_EVERY = 1_000_000_000  # ns
CURVE = 200_000_000  # ns: between two readings of the sampler; a shorter node has none of its own
OUTPUT_FILES = 200  # files of one node that are looked at
_FILES = ("images", "gifs", "audio", "video", "videos", "3d", "files", "text_files", "latents")


class Recorder:
    """Tells of runs and nodes. `append` is safelight_emit's; `texts`: whether previews may show the start of texts."""

    def __init__(
        self, append: Callable[..., None], memory: Memory, sampler: Sampler, images: Images, *, texts: bool = True
    ) -> None:
        self._append, self._memory, self._sampler, self._images, self._texts = append, memory, sampler, images, texts
        self._reading: Reading = memory.read()
        self._read_at = 0
        self.run: Run | None = None
        self.queued: dict[str, tuple[int, frozenset[str]]] = {}
        """When a prompt was queued (perf_counter_ns), and the secrets that are known to be in it."""

    # Runs

    def begin(self, workflow_id: str, prompt: dict[str, Any], queue_remaining: int | None) -> Run:
        """ComfyUI's worker takes up a prompt."""
        run = Run(workflow_id, prompt)
        run.started, run.started_at = perf_counter_ns(), time_ns()
        self.run = run
        self._sampler.begin(workflow_id)
        reading = self._look()
        self._see(run, reading)
        fields: dict[str, Any] = {"workflow_id": workflow_id}
        if (queued := self.queued.pop(workflow_id, None)) is not None:
            moment, run.secrets = queued
            fields["queue_ms"] = _ms(run.started - moment)
        if queue_remaining is not None:
            fields["queue_remaining"] = queue_remaining
        if reading.device_used_mb is not None:
            fields["vram_used_mb"] = reading.device_used_mb
        self._append("run_started", "INFO", fields, run.started_at)
        return run

    def end(self, run: Run, error: BaseException | None = None) -> None:
        """ComfyUI is done with it, or `error` came out of it, which ends ComfyUI's worker."""
        if run.ended:
            return
        run.ended = True
        self.run = None
        self._see(run, self._look())
        self._sampler.end()
        fields: dict[str, Any] = {"workflow_id": run.workflow_id, "executed": run.executed, "cached": len(run.cached)}
        if run.vram_peak_mb is not None:
            fields["vram_peak_mb"] = run.vram_peak_mb
        if run.ram_peak_mb is not None:
            fields["ram_peak_mb"] = run.ram_peak_mb
        took = _ms(perf_counter_ns() - run.started)
        outcome, said = run.outcome or ("", {})
        if error is not None or outcome == "execution_error" or run.failed is not None:
            self._run_failed(run, fields, took, said, error)
        elif outcome == "execution_interrupted" or run.interrupted is not None:
            node = run.interrupted
            fields |= {"node": node.node, "node_id": node.node_id} if node else blamed(said)
            fields["ran_ms" if "node" in fields else "duration_ms"] = took
            self._append("run_interrupted", "WARNING", fields)
        else:
            fields["duration_ms"] = took
            self._append("run_finished", "INFO", fields)

    def _run_failed(
        self, run: Run, fields: dict[str, Any], took: float, said: dict[str, Any], error: BaseException | None
    ) -> None:
        if (node := run.failed) is not None and node.error is not None:
            fields |= {"node": node.node, "node_id": node.node_id}
            fields["error_type"], fields["error_message"] = node.error
        elif error is not None:
            fields["error_type"], fields["error_message"] = type_name(error), _hidden(run, message(error))
        else:
            fields |= blamed(said)
            fields["error_type"] = str(said.get("exception_type", ""))
            fields["error_message"] = _hidden(run, hide(str(said.get("exception_message", "")))).strip()
        fields["ran_ms" if "node" in fields else "duration_ms"] = took
        # What failed in a node is an error already: as a second one, every count of errors would be twice the failures.
        self._append("run_failed", "ERROR" if run.failed is None else "WARNING", fields)

    def cached(self, run: Run, node_ids: Iterable[str]) -> None:
        """These nodes need not be executed: their outputs are known from an earlier run."""
        now = time_ns()
        for node_id in node_ids:
            if node_id not in run.cached:
                run.cached.add(node_id)
                node = self.node(run, node_id, None)
                self._append("node_cached", "INFO", self._fields(node), now)

    # Nodes

    def node(self, run: Run, node_id: str, graph: Any) -> Node:
        """The node of this id, known already or new. `graph`: ComfyUI's view of the prompt as it has grown by now."""
        node = run.nodes.get(node_id)
        if node is None:
            info = graph.get_node(node_id) if graph is not None else run.prompt.get(node_id)
            class_type = info.get("class_type") if isinstance(info, dict) else None
            node = Node(run, node_id, str(class_type), title_of(info))
            if graph is not None and node_id not in run.prompt:
                node.parent_id = graph.get_parent_node_id(node_id)
                node.display_id = graph.get_display_node_id(node_id)
        return node

    def start(self, node: Node) -> None:
        """ComfyUI has begun to execute it. Said more than once of lazy nodes, and by more than one hook."""
        if node.started:
            return
        run = node.run
        run.nodes[node.node_id] = node
        node.before = reading = self._look()
        if reading.torch_allocated_mb is not None:
            self._memory.reset_peak()
        node.started, node.started_at = perf_counter_ns(), time_ns()
        self._append("node_started", "INFO", self._fields(node), node.started_at)

    def took_inputs(self, node: Node, names: Any, values: Any) -> None:
        """The values that a node is about to be called with, a list of them by each name. Those that are not among the
        `names` of its inputs are ComfyUI's own: the prompt, and the keys of its user.
        """
        if type(values) is dict:
            node.inputs = {name: value for name, value in values.items() if name in names}
            longest = max(map(len, node.inputs.values()), default=0)
            node.list_length = longest if longest > 1 else 0

    def pause(self, node: Node) -> None:
        """Its call is over, it is not: it waits for another node, or for something asynchronous."""
        if node.started:
            self._preview_inputs(node)

    def finish(self, node: Node, outputs: Any) -> None:
        """It has been executed. `outputs`: what ComfyUI keeps of it, a list of values for each output."""
        run = node.run
        run.nodes.pop(node.node_id, None)
        run.executed += 1
        self._last_progress(node)
        wall = perf_counter_ns() - node.started
        fields = self._fields(node)
        fields["duration_ms"], fields["active_ms"] = _ms(wall), _ms(min(node.active_ns, wall))
        before, after = node.before, self._look()
        if after.device_used_mb is not None:
            self._device(node, wall, before, after, fields)
        if after.ram_used_mb is not None:
            fields["ram_used_mb"] = after.ram_used_mb
        self._see(run, after)
        self._preview_inputs(node)
        if node.previews:
            fields["inputs"] = node.previews
        if type(outputs) is list and outputs:
            told = preview.outputs([_single(values) for values in outputs], texts=self._texts)
            fields["outputs"] = [_hidden(run, hide(one)) if type(one) is str else one for one in told]
        if node.list_length:
            fields["list_length"] = node.list_length
        self._append("node_finished", "INFO", fields)

    def fail(self, node: Node, error: BaseException | None) -> None:
        """It raised. Where ComfyUI is about to unload its models, `note_memory` was there first."""
        run = node.run
        run.nodes.pop(node.node_id, None)
        if node.ledger is None:
            self.note_memory(node)
        self._see(run, self._look(0))
        node.error = (type_name(error), _hidden(run, message(error)))
        run.failed = node
        fields = self._fields(node)
        if node.started:
            fields["duration_ms"] = _ms(perf_counter_ns() - node.started)
        fields["error_type"], fields["error_message"] = node.error
        if where := trace(error):
            fields["traceback"] = _hidden(run, where)
        self._preview_inputs(node, tensor_values=True)
        if node.previews:
            fields["inputs"] = node.previews
        if node.ledger:
            fields["memory"] = node.ledger
        self._append("node_failed", "ERROR", fields)

    def interrupt(self, node: Node) -> None:
        """A person stopped the run while it was this node's turn."""
        node.inputs = None
        node.run.nodes.pop(node.node_id, None)
        node.run.interrupted = node

    def note_memory(self, node: Node) -> None:
        """Remembers who holds the memory now, should the node turn out to have failed."""
        node.ledger = self._memory.ledger()

    def progress(self, run: Run, node_id: str, value: float, most: float) -> None:
        """A step of it is done."""
        node = run.nodes.get(node_id)
        if node is None:
            return
        node.value = (value, most)
        now = perf_counter_ns()
        if not node.progress_at or now - node.progress_at >= PROGRESS_EVERY or value >= most:
            node.progress_at = now
            self._tell_progress(node)

    def blocked(self, run: Run, node_id: str, message: str) -> None:
        """It was given an ExecutionBlocker: neither executed nor failed, and the run goes on without it."""
        fields = self._fields(run.nodes.get(node_id) or self.node(run, node_id, None))
        fields["message"] = hide(message)
        self._append("node_blocked", "WARNING", fields)

    def saved(self, node: Node, ui: Any) -> None:
        """What a node shows its user: the files in it are looked at."""
        if type(ui) is not dict:
            return
        count = 0
        for kind in _FILES:
            for file in ui.get(kind) or ():
                if type(file) is dict and "filename" in file and count < OUTPUT_FILES:
                    count += 1
                    name, folder = str(file["filename"]), str(file.get("subfolder") or "")
                    place = str(file.get("type") or "output")
                    self._images.saved(node.run.workflow_id, node.node_id, node.node, name, folder, place)

    # Helpers

    def _fields(self, node: Node) -> dict[str, Any]:
        fields: dict[str, Any] = {"workflow_id": node.run.workflow_id, "node": node.node, "node_id": node.node_id}
        if node.title is not None:
            fields["title"] = node.title
        if node.parent_id is not None:
            fields["parent_id"] = node.parent_id
        if node.display_id is not None:
            fields["display_id"] = node.display_id
        return fields

    def _device(self, node: Node, wall: int, before: Reading, after: Reading, fields: dict[str, Any]) -> None:
        seen = [after.device_used_mb, before.device_used_mb]
        if wall >= CURVE:
            seen.append(self._sampler.peak_mb_since(node.started_at))
        if before.device_used_mb is not None:
            fields["vram_before_mb"] = before.device_used_mb
        fields["vram_used_mb"] = after.device_used_mb
        if (torch_peak := self._memory.torch_peak_mb()) is not None:
            fields["torch_peak_mb"] = torch_peak
            seen.append(torch_peak)
        fields["vram_peak_mb"] = peak = max(one for one in seen if one is not None)
        run = node.run
        run.vram_peak_mb = peak if run.vram_peak_mb is None else max(run.vram_peak_mb, peak)

    def _preview_inputs(self, node: Node, *, tensor_values: bool = False) -> None:
        values, node.inputs = node.inputs, None  # the values are ComfyUI's; held any longer, they would fill the device
        if values:
            told = preview.inputs(
                {name: _single(value) for name, value in values.items()}, texts=self._texts, tensor_values=tensor_values
            )
            node.previews = {
                name: _hidden(node.run, hide(one)) if type(one) is str else one for name, one in told.items()
            }

    def _last_progress(self, node: Node) -> None:
        if node.value is not None and node.value != node.told:
            self._tell_progress(node)

    def _tell_progress(self, node: Node) -> None:
        if node.value is None or node.value == node.told:
            return
        node.told = node.value
        fields = {"workflow_id": node.run.workflow_id, "node": node.node, "node_id": node.node_id}
        value, most = node.value
        self._append("node_progress", "DEBUG", {**fields, "value": value, "max": most})

    def _look(self, fresh: int = FRESH) -> Reading:
        now = perf_counter_ns()
        if now - self._read_at >= fresh:
            self._reading, self._read_at = self._memory.read(), now
        return self._reading

    @staticmethod
    def _see(run: Run, reading: Reading) -> None:
        used, ram = reading.device_used_mb, reading.ram_used_mb
        if used is not None and (run.vram_peak_mb is None or used > run.vram_peak_mb):
            run.vram_peak_mb = used
        if ram is not None and (run.ram_peak_mb is None or ram > run.ram_peak_mb):
            run.ram_peak_mb = ram


def _hidden(run: Run, text: str) -> str:
    """`text` without the secrets that the prompt names."""
    for secret in run.secrets:
        if secret in text:
            text = text.replace(secret, MASK)
    return text


def _single(values: Any) -> Any:
    return values[0] if type(values) in {list, tuple} and len(values) == 1 else values


def _ms(ns: int) -> float:
    return round(ns / 1e6, 3)
