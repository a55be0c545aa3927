"""One run as lines for a terminal: its nodes one below the other as bars in time, with memory; then what went wrong.

    ··········            waited in the queue
    ▒▒▒▒█████████         loading a model, then computing
    ████│                 how long it usually takes
    ████████>             still at it

Whatever came out of a log is made harmless before it is shown. Widths count columns: a Chinese character takes two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import click

from . import output, say
from .amounts import lasting, memory, moment

MOST_NODES: Final = 60
"""Lines of nodes, unless all are asked for: beyond, the short ones are summed up in one line."""
_TOLD_ALWAYS: Final = frozenset({"failed", "running", "interrupted", "blocked"})
_UNTIMED: Final = frozenset({"cached", "blocked"})
"""States of nodes that did nothing: instead of a time there is the word for it."""
_LABEL: Final = 34
_TIME: Final = 12
_MEMORY: Final = 9
_LEAST_BAR: Final = 12
_LEAST_LABEL: Final = 10
_COLOUR: Final = {
    "failed": "red",
    "interrupted": "yellow",
    "blocked": "yellow",
    "running": "cyan",
    "cached": "bright_black",
}
_HEAD_COLOUR: Final = {
    "finished": "green",
    "failed": "red",
    "lost": "red",
    "rejected": "red",
    "interrupted": "yellow",
    "running": "cyan",
}
Run = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Signs:
    """What bars are made of."""

    waiting: str
    loading: str
    computing: str
    usual: str

    @classmethod
    def of(cls, encoding: str | None) -> Signs:
        """Blocks, or what an encoding without them has."""
        blocks = cls("·", "▒", "█", "│")
        try:
            "·▒█│".encode(encoding or "ascii")
        except (UnicodeEncodeError, LookupError):
            return cls(".", "=", "#", "|")
        return blocks


@dataclass(frozen=True, slots=True)
class _Scale:
    """From milliseconds since the run was started to columns."""

    first_ms: float
    last_ms: float
    columns: int

    def column(self, ms: float) -> int:
        """Where a moment lies, held within the bar."""
        share = (ms - self.first_ms) / max(self.last_ms - self.first_ms, 1.0)
        return min(self.columns, max(0, round(share * self.columns)))


def lines(run: Run, columns: int, signs: Signs, now: datetime, *, everything: bool = False) -> Iterator[str]:
    """The run for a terminal of so many columns."""
    yield from _head(run)
    yield from _nodes(run, columns, signs, now, everything=everything)
    for part in (_wrong, _lost, _ledger, _saved):
        if found := list(part(run)):
            yield ""
            yield from found


def _head(run: Run) -> Iterator[str]:
    name = output.harmless(run["workflow_name"] or run["graph_hash"] or run["service"] or "")
    state = click.style(say(f"cli.run.state.{run['state']}"), fg=_HEAD_COLOUR.get(run["state"]), bold=True)
    yield f"{click.style(name, bold=True)}  {state}  {output.harmless(run['id'])}"
    when = moment(run["queued_at"] or run["started_at"])
    by = output.harmless(run["user_id"] or "")
    where = output.harmless(run["instance"] or run["host"] or "")
    said = [when, say("cli.run.by", user=by) if by else "", say("cli.run.on", instance=where) if where else ""]
    if run["duration_ms"] is not None:
        said.append(say("cli.run.ran", duration=lasting(run["duration_ms"])))
    if run["usual_ms"] is not None:
        said.append(say("cli.run.usually", duration=lasting(run["usual_ms"])))
    yield "  ".join(part for part in said if part)
    if run.get("replay_of"):
        yield say("cli.run.replay_of", id=output.harmless(run["replay_of"]))


def _nodes(run: Run, columns: int, signs: Signs, now: datetime, *, everything: bool) -> Iterator[str]:
    executions = run["executions"]
    waited = run["queue_ms"] or 0.0
    if not executions and not waited:
        return
    last = _end(run, now)
    room = columns - _TIME - _MEMORY - 3  # what names and bars share
    names = [say("cli.run.queue"), *map(_label, executions)]
    label = min(_LABEL, max(map(output.width, names)), max(_LEAST_LABEL, room - _LEAST_BAR))
    scale = _Scale(-min(waited, last / 4), last, max(_LEAST_BAR, room - label))
    shown, rest = (list(executions), []) if everything else _worth_a_line(executions)
    yield ""
    titles = [output.fit("", label), output.fit("", scale.columns)]
    titles += [_right(say("cli.run.time"), _TIME), _right(say("cli.run.memory"), _MEMORY)]
    yield click.style(" ".join(titles).rstrip(), fg="bright_black")
    if waited:
        bar = signs.waiting * scale.column(0)
        yield _line(say("cli.run.queue"), label, bar, scale, lasting(waited), "", None)
    for one in shown:
        bar = _bar(one, scale, signs, last)
        untimed = one["state"] in _UNTIMED
        took = say(f"cli.run.{one['state']}") if untimed else lasting(one["duration_ms"] or _so_far(one, last))
        yield _line(_label(one), label, bar, scale, took, memory(one["vram_peak_mb"]), _COLOUR.get(one["state"]))
    if rest:
        together = lasting(sum(one["duration_ms"] or 0.0 for one in rest))
        yield click.style(say("cli.run.more_nodes", count=len(rest), duration=together), fg="bright_black")


def _line(name: str, label: int, bar: str, scale: _Scale, took: str, peak: str, colour: str | None) -> str:
    text = f"{output.fit(name, label)} {output.fit(bar, scale.columns)} {_right(took, _TIME)} {_right(peak, _MEMORY)}"
    return click.style(text.rstrip(), fg=colour)


def _right(text: str, columns: int) -> str:
    return " " * max(0, columns - output.width(text)) + text


def _label(one: Run) -> str:
    """A node as the waterfall names it; what a node expanded into stands a little to the right."""
    depth = "  " if one["parent_id"] else ""
    return depth + output.harmless(f"{one['node'] or '?'} {one['node_id']}")


def _end(run: Run, now: datetime) -> float:
    """Until when it is drawn, in milliseconds since its start."""
    ends: list[float] = [one["offset_ms"] + (one["duration_ms"] or 0.0) for one in run["executions"]]
    if run["state"] == "running" and run["started_at"]:
        ends.append((now - datetime.fromisoformat(run["started_at"]).astimezone(UTC)) / timedelta(milliseconds=1))
    return max([run["duration_ms"] or 0.0, 1.0, *ends])


def _so_far(one: Run, last: float) -> float | None:
    return last - one["offset_ms"] if one["state"] == "running" else None


def _worth_a_line(executions: Sequence[Run]) -> tuple[list[Run], list[Run]]:
    if len(executions) <= MOST_NODES:
        return list(executions), []
    longest = sorted(executions, key=lambda one: -(one["duration_ms"] or 0.0))[:MOST_NODES]
    kept = {one["node_id"] for one in longest}
    kept |= {one["node_id"] for one in executions if one["state"] in _TOLD_ALWAYS}
    shown = [one for one in executions if one["node_id"] in kept]
    return shown, [one for one in executions if one["node_id"] not in kept]


def _bar(one: Run, scale: _Scale, signs: Signs, last: float) -> str:
    if one["state"] in _UNTIMED:
        return ""
    start, still = one["offset_ms"], _so_far(one, last)
    end = start + (one["duration_ms"] if one["duration_ms"] is not None else still or 0.0)
    begin = min(scale.column(start), scale.columns - 1)
    cells = [" "] * begin + [signs.computing] * max(1, scale.column(end) - begin)
    for load in one["loads"]:
        for column in range(scale.column(load["offset_ms"]), scale.column(load["offset_ms"] + load["duration_ms"])):
            if begin <= column < len(cells):
                cells[column] = signs.loading
    if still is not None:
        cells[-1] = ">"
    if one["usual_ms"]:
        column = scale.column(start + one["usual_ms"])
        if begin < column < scale.columns and start + one["usual_ms"] <= scale.last_ms:
            cells += [" "] * (column + 1 - len(cells))
            cells[column] = signs.usual
    return "".join(cells)[: scale.columns]


def _wrong(run: Run) -> Iterator[str]:
    error = run["error"]
    if error is not None:
        where = output.harmless(" ".join(filter(None, (error["node"], error["node_id"]))))
        kind = output.harmless(error["type"] or say(f"cli.run.state.{run['state']}"))
        yield click.style(f"{kind}{say('cli.run.in_node', node=where) if where else ''}", fg="red", bold=True)
        for line in str(error["message"] or "").splitlines():
            yield f"  {output.harmless(line)}"
        if known := run.get("advice"):  # a server of an older version gives none
            yield f"  {say('cli.run.advice', cause=known['cause'], advice=known['advice'])}"
    for node_id, node in (run["node_errors"] or {}).items():
        told = node if isinstance(node, dict) else {}
        yield output.harmless(f"{told.get('class_type') or '?'} {node_id}")
        problems = told.get("errors")
        for problem in problems if isinstance(problems, list) else ():
            if isinstance(problem, dict):
                yield output.harmless(f"  {problem.get('message') or ''}: {problem.get('details') or ''}")


def _lost(run: Run) -> Iterator[str]:
    lost = run["lost"]
    if lost is None:
        return
    readings = [
        say(f"cli.run.last_{name}", amount=memory(lost[f"{name}_used_mb"]))
        for name in ("ram", "vram")
        if isinstance(lost[f"{name}_used_mb"], int | float)
    ]
    if readings:
        yield "  ".join(readings)


def _ledger(run: Run) -> Iterator[str]:
    ledger = run["memory"]
    if not ledger:
        return
    yield click.style(say("cli.run.ledger", device=output.harmless(ledger.get("device") or "")), bold=True)
    for name in (
        "device_total",
        "device_used",
        "device_free",
        "torch_allocated",
        "torch_reserved",
        "others",
        "ram_free",
    ):
        value = ledger.get(f"{name}_mb")
        if isinstance(value, int | float):
            yield f"  {output.fit(say(f'cli.run.memory.{name}'), 30)} {_right(memory(value), _MEMORY)}"
    models = ledger.get("models")
    for model in models if isinstance(models, list) else ():
        if isinstance(model, dict):
            size = model.get("loaded_mb") if model.get("loaded_mb") is not None else model.get("model_mb")
            shown = memory(size) if isinstance(size, int | float) else ""
            yield f"  {output.fit('  ' + output.harmless(model.get('model')), 30)} {_right(shown, _MEMORY)}"


def _saved(run: Run) -> Iterator[str]:
    for one in run["saved"]:
        path = "/".join(filter(None, (one["subfolder"], one["filename"])))
        size = f"{one['width']:.0f}×{one['height']:.0f}" if one["width"] and one["height"] else ""
        bad = one["check"] not in {"ok", "unchecked"}
        check = say("cli.run.check", check=output.harmless(one["check"])) if bad else ""
        parts = [output.harmless(path), size, memory_of_file(one["bytes"]), check]
        yield click.style("  ".join(part for part in parts if part), fg="yellow" if bad else None)


def memory_of_file(size: float | None) -> str:
    """The size of a file given in bytes."""
    return "" if size is None else f"{size / 1024:.0f} kB" if size < 1 << 20 else f"{size / (1 << 20):.1f} MB"
