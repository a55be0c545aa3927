"""The `text` of a rule: a Jinja template for the body of its messages.

    {{ text }}                          what the message would say anyway
    {{ labels.node }} failed {{ count }} times since {{ since }}
    {% for event in events %}{{ event.workflow_id }}{% endfor %}

A template sees what stands in `KNOWN`, already redacted, and nothing else: no file, no environment, no code of ours.
It is checked when the configuration is read. One that breaks when a message is made costs its text, never the alert.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from jinja2 import ChainableUndefined, TemplateError, TemplateSyntaxError, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from ..errors import ConfigError

KNOWN: Final = frozenset(
    {
        "title",  # the first line of the message
        "text",  # the usual body
        "rule",  # id of the rule
        "when",  # its condition, in one line
        "severity",  # 1, 2, 3
        "status",  # "firing", "resolved"
        "labels",  # of the first alert: labels.service, labels.node ...
        "count",  # how often
        "value",  # what was measured, for conditions that measure; else none
        "since",  # when it began, in the zone of the server
        "last",  # when it last happened
        "started_at",  # when it began, ISO 8601 in UTC
        "ended_at",  # when it was over, the same; none while it goes on
        "events",  # up to 10 examples, with the fields of an event
        "alerts",  # every alert of the message: id, title, labels, count ...
        "lines",  # the log lines before it
        "advice",  # what to do
        "links",  # by what they do: links.run, links.logs, links.alert, links.silence ...
        "language",  # of the message, "en" or "zh-CN"
    }
)
"""What a template may use."""
OUTPUT_MAX: Final = 16_000
"""Characters a template may write; what comes after is cut away."""
DEEP_MAX: Final = 2
"""Loops inside each other."""
TIME_MAX_S: Final = 0.5
"""How long a template may write: time of the processor in its own thread, so that a busy machine cuts no message."""
_TOO_POWERFUL: Final = frozenset({"center", "format", "indent", "filesizeformat", "xmlattr", "pprint", "random"})
"""Filters that make much out of little, or nothing that can be repeated."""
_METHODS: Final = frozenset(
    {"get", "items", "keys", "values", "upper", "lower", "title", "capitalize", "strip", "lstrip", "rstrip", "split"}
    | {"splitlines", "startswith", "endswith", "removeprefix", "removesuffix", "partition", "rpartition", "find"}
)


class TemplateMistake(ConfigError):
    """A template that cannot be used; `line` counts from 1."""

    def __init__(self, key: str, /, *, line: int, **values: object) -> None:
        super().__init__(key, line=line, **values)
        self.line = line


def check_template(text: str, known: frozenset[str] = KNOWN) -> None:
    """Raises TemplateMistake, with the line, for a template that could not make any message of what is `known`."""
    environment = _environment()
    try:
        tree = environment.parse(text)
        environment.compile(tree)
    except TemplateSyntaxError as error:  # an unknown filter is one too
        raise TemplateMistake("alerts.template_syntax", line=error.lineno, reason=error.message or "") from error
    for node in _refused(tree):
        raise TemplateMistake("alerts.template_refused", line=node.lineno, what=_word(node))
    unknown = sorted(meta.find_undeclared_variables(environment.parse(text)) - known)
    if unknown:
        line = _line_of(environment.parse(text), unknown[0])
        raise TemplateMistake("alerts.template_unknown", line=line, name=unknown[0], known=", ".join(sorted(known)))


def written(text: str, values: Mapping[str, Any]) -> str:
    """What the template says, cut at `OUTPUT_MAX`. Raises TemplateMistake when it breaks."""
    try:
        check_template(text)
        return _made(text, values, OUTPUT_MAX)[0]
    except _BREAKS as error:
        raise _broken(error) from error


def whole(text: str, values: Mapping[str, Any], most: int) -> str:
    """The same of a template that is good for nothing when it is cut, such as JSON: at most `most` characters.

    Raises TemplateMistake when it breaks, or does not end in time.
    """
    try:
        check_template(text, frozenset(values))
        made, ended = _made(text, values, most)
    except _BREAKS as error:
        raise _broken(error) from error
    if not ended:
        raise TemplateMistake("alerts.template_endless", line=1, limit=f"{most:,}", seconds=TIME_MAX_S)
    return made


_BREAKS: Final = (TemplateError, ArithmeticError, TypeError, ValueError, LookupError, MemoryError, RecursionError)


def _made(text: str, values: Mapping[str, Any], most: int) -> tuple[str, bool]:
    """As much of it as there may be, and whether that is all."""
    pieces, length, end = [], 0, time.thread_time() + TIME_MAX_S
    for piece in _environment().from_string(text).generate(dict(values)):
        pieces.append(piece[: most - length])
        length += len(piece)
        if length > most or time.thread_time() > end:
            return "".join(pieces), False
    return "".join(pieces), True


def _broken(error: Exception) -> TemplateMistake:
    if isinstance(error, TemplateMistake):
        return error
    return TemplateMistake("alerts.template_broke", line=_broke_at(error), reason=str(error))


class _Environment(ImmutableSandboxedEnvironment):
    """Neither repeats text nor calls anything: what is made cannot grow beyond what was given."""

    intercepted_binops = frozenset({"*", "**", "%", "//"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Arithmetic is for numbers, and for small exponents."""
        if not all(isinstance(each, int | float) for each in (left, right)) or (
            operator == "**" and (abs(right) > 10 or abs(left) > 1e6)
        ):
            raise TypeError(operator)
        return super().call_binop(context, operator, left, right)

    def is_safe_callable(self, obj: Any) -> bool:
        """Methods that look at what is there; none that makes more of it."""
        return getattr(obj, "__name__", "") in _METHODS and super().is_safe_callable(obj)


@cache
def _environment() -> _Environment:
    environment = _Environment(autoescape=False, loader=None, undefined=ChainableUndefined, keep_trailing_newline=False)
    environment.globals.clear()
    environment.policies["json.dumps_kwargs"] = {"ensure_ascii": False}
    for name in _TOO_POWERFUL:
        environment.filters.pop(name, None)
    return environment


def _refused(tree: nodes.Template) -> Iterator[nodes.Node]:
    """What a message needs no template for: other files, macros, text that grows by itself, deep loops."""
    kinds = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends, nodes.Block)
    yield from tree.find_all((*kinds, nodes.Macro, nodes.CallBlock, nodes.AssignBlock))
    yield from (node for node in tree.find_all(nodes.Name) if node.name == "self")
    for assigned in tree.find_all(nodes.Assign):
        yield from assigned.node.find_all((nodes.Concat, nodes.Add))
        if isinstance(assigned.node, nodes.Concat | nodes.Add):
            yield assigned.node
    yield from _deep(tree, 0)


def _deep(node: nodes.Node, depth: int) -> Iterator[nodes.Node]:
    for child in node.iter_child_nodes():
        inner = depth + isinstance(child, nodes.For)
        if inner > DEEP_MAX or (isinstance(child, nodes.For) and child.recursive):
            yield child
        else:
            yield from _deep(child, inner)


def _word(node: nodes.Node) -> str:
    if isinstance(node, nodes.Name):
        return node.name
    return {"For": "for ... for ... for", "FromImport": "import", "CallBlock": "call", "Concat": "set ... ~"}.get(
        type(node).__name__, type(node).__name__.lower().removesuffix("block").replace("assign", "set")
    )


def _line_of(tree: nodes.Template, name: str) -> int:
    return next((node.lineno for node in tree.find_all(nodes.Name) if node.name == name and node.ctx == "load"), 1)


def _broke_at(error: BaseException) -> int:
    line, trace = 1, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<template>":
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
