"""Which node a function of a node pack belongs to, by the pack's source. Nothing is run, it is only read.

ComfyUI's console names neither the class nor the id of a node that failed, but its traceback names the file and the
line of the node's function. Both ways to declare a node are understood: `NODE_CLASS_MAPPINGS = {"Name": Class}`, and
the schema of a `ComfyNode`, `io.Schema(node_id="Name", ...)` (https://docs.comfy.org/custom-nodes/v3_migration).
Mappings that only running the pack would tell, such as `{c.__name__: c for c in ALL}`, name a node by its class.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_MAPPINGS: Final = "NODE_CLASS_MAPPINGS"


@dataclass(frozen=True)
class Source:
    """One file of a pack, and the mappings that it and its package's `__init__` declare."""

    classes: tuple[ast.ClassDef, ...]
    names: dict[str, list[str]]

    @classmethod
    def parse(cls, text: str, package: str = "") -> Source:
        """Raises SyntaxError, ValueError or RecursionError for what is no Python. `package` is its `__init__.py`."""
        tree = ast.parse(text)
        names: dict[str, list[str]] = {}
        for node in (*_mappings(tree), *_mappings(ast.parse(package))):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    names.setdefault(_last_name(value), []).append(key.value)
        return cls(tuple(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)), names)

    def node_at(self, line: int, function: str) -> str | None:
        """The node type whose `function` runs at `line`; None when no class, or more than one node, can be meant."""
        holders = [found for found in self.classes if any(_spans(f, line) for f in _functions(found, function))]
        if len(holders) != 1:
            return None
        (holder,) = holders
        users = [holder, *self._heirs(holder, function)]
        types = {name for user in users for name in self._types(user)}
        if not types and len(users) == 1 and _looks_like_node(holder, function):
            return holder.name
        return types.pop() if len(types) == 1 else None

    def _heirs(self, holder: ast.ClassDef, function: str) -> Iterator[ast.ClassDef]:
        """Classes of the same file that run the holder's function as their own, such as PreviewImage SaveImage's."""
        for found in self.classes:
            if any(_last_name(base) == holder.name for base in found.bases) and not any(_functions(found, function)):
                yield found
                yield from self._heirs(found, function)

    def _types(self, found: ast.ClassDef) -> list[str]:
        return self.names.get(found.name) or list(_schema_ids(found))


def _mappings(tree: ast.Module) -> Iterator[ast.Dict]:
    for node in tree.body:
        match node:
            case ast.Assign(value=ast.Dict() as written) | ast.AnnAssign(value=ast.Dict() as written):
                if _MAPPINGS in _targets(node):
                    yield written


def _targets(node: ast.stmt) -> list[str]:
    """The plain names that a statement assigns to."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _functions(found: ast.ClassDef, name: str) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in found.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            yield node


def _looks_like_node(found: ast.ClassDef, function: str) -> bool:
    """Whether the class itself declares its inputs, and that it is run by `function`."""
    values = {
        name: node.value
        for node in found.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for name in _targets(node)
    }
    declared = values.get("FUNCTION")
    runs = isinstance(declared, ast.Constant) and declared.value == function
    return runs and ("INPUT_TYPES" in values or any(_functions(found, "INPUT_TYPES")))


def _spans(node: ast.AST, line: int) -> bool:
    return bool(getattr(node, "lineno", 0) <= line <= (getattr(node, "end_lineno", 0) or 0))


def _schema_ids(found: ast.ClassDef) -> Iterator[str]:
    for schema in _functions(found, "define_schema"):
        for call in ast.walk(schema):
            if isinstance(call, ast.Call) and _last_name(call.func) == "Schema":
                for keyword in call.keywords:
                    if keyword.arg == "node_id" and isinstance(keyword.value, ast.Constant):
                        yield str(keyword.value.value)


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
