"""What typed SQL may contain. Relations are on a list of what may be, functions on a list of what may not.

The text is read by sqlglot, checked as a tree, printed from the tree, and what was printed is read and checked again:
so what runs is what was understood, even where sqlglot and DuckDB would read the original differently.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from ..errors import QueryError, QueryTooCostly
from .sql_guard import RELATIONS

MAX_SERIES: Final = 100_000
"""How many values `range` and `generate_series` give, and how often `repeat` repeats."""

# sqlglot warns on standard error of statements that it only skims; we refuse those anyway.
logging.getLogger("sqlglot").setLevel(logging.CRITICAL)

_STATEMENTS: Final = (
    *(exp.DDL, exp.DML, exp.Command, exp.Into, exp.Set, exp.Pragma, exp.Attach, exp.Detach, exp.Use, exp.Describe),
    *(exp.Show, exp.Summarize, exp.Install, exp.Export, exp.LoadData, exp.Kill, exp.Analyze, exp.Cache, exp.Drop),
    *(exp.Transaction, exp.Commit, exp.Rollback, exp.Alter, exp.Declare, exp.Execute, exp.Lock),
)
_SOURCES: Final = (exp.Table, exp.Subquery, exp.Unnest, exp.Values, exp.Lateral)
_FROM_FUNCTIONS: Final = frozenset({"range", "generate_series", "unnest", "json_each", "json_tree"})
_SERIES: Final = frozenset({"range", "generate_series", "repeat"})
_NAME: Final = re.compile(r"\w+")
_CATALOGUE: Final = ("duckdb_", "pragma_", "sqlite_", "pg_")

# Files, environment, settings, catalogue, logs, sequences, other SQL in a string, waiting: by the names that DuckDB 2.0
# and its extensions give them. The test compares this with what the installed DuckDB lists.
_DENIED: Final = re.compile(
    r"(read|write|scan|sniff|copy|import|export|install|load|attach|parquet|csv|duckdb|pragma|pg|sqlite|mysql|postgres"
    r"|iceberg|delta|excel|http|aws|azure|st_read|st_drivers|inet|test|python|arrow|pandas|enable|disable|register"
    r"|deregister|destroy|create_external|truncate|checkpoint|force|get_block|json_execute|json_serialize"
    r"|json_deserialize|sql_auto|from_substrait|get_substrait|has_.*_privilege|col_desc|obj_desc|shobj|parse_duckdb"
    r"|icu_calendar|which)(_.*)?"
    r"|.*_(scan|metadata|privilege|description)|glob|getenv|current_setting|current_query.*|current_connection.*"
    r"|current_transaction.*|current_schemas|getvariable|setvariable|query|query_table|summary|nextval|currval|setval"
    r"|setseed|txid_current|sleep.*|in_search_path|index_key|repeat_row|stats|start_ui.*|stop_ui|version"
)


def admitted(text: str) -> str:
    """`text` printed anew, if it is one harmless SELECT. Raises QueryError."""
    try:
        tree = _checked(text)
        printed = tree.sql("duckdb", comments=False)
        _checked(printed)
    except RecursionError as error:
        raise QueryTooCostly("query.sql_too_deep", query=text) from error
    for name in _called(printed):
        if _DENIED.fullmatch(name):
            raise _refusal("query.sql_function", text, None, found=name)
    return printed


def _checked(text: str) -> exp.Query:
    tree = _parsed(text)
    for node in tree.walk():
        if isinstance(node, _STATEMENTS):
            raise _refusal("query.sql_statement", text, node)
        if isinstance(node, exp.Placeholder | exp.Parameter | exp.SessionParameter):
            raise _refusal("query.sql_parameter", text, node)
        if isinstance(node, exp.Pivot):
            raise _refusal("query.sql_statement", text, node)
        if isinstance(node, exp.From | exp.Join) and not isinstance(node.this, _SOURCES):
            raise _unknown(text, node.this)
        if isinstance(node, exp.Func):
            _function(text, node)
    _relations(text, tree, RELATIONS)
    return tree


def _parsed(text: str) -> exp.Query:
    try:
        statements = [tree for tree in sqlglot.parse(text, read="duckdb") if tree is not None]
    except SqlglotError as error:
        raise _unreadable(text, error) from error
    # sqlglot stumbles over some nonsense in other ways than by saying so.
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise QueryError("query.sql_unreadable", query=text) from error
    if not statements:
        raise QueryError("query.sql_empty", query=text)
    if len(statements) > 1:
        raise _refusal("query.sql_one", text, statements[1])
    if not isinstance(statements[0], exp.Query):
        raise _refusal("query.sql_statement", text, statements[0])
    return statements[0]


def _unreadable(text: str, error: SqlglotError) -> QueryError:
    found = (getattr(error, "errors", None) or [{}])[0]
    lines = text.split("\n")
    line = min(max(int(found.get("line") or 1), 1), len(lines))
    column = int(found.get("col") or 1) - len(found.get("highlight") or "")
    position = sum(len(before) + 1 for before in lines[: line - 1]) + min(max(column, 0), len(lines[line - 1]))
    reason = str(found.get("description") or "").split(" for <class", 1)[0].rstrip(".")
    if not reason:
        return QueryError("query.sql_unreadable", query=text, position=position)
    return QueryError("query.sql_syntax", query=text, position=position, reason=reason)


def _refusal(key: str, text: str, node: exp.Expr | None, **values: object) -> QueryError:
    """A QueryError at the first thing in `node` of which sqlglot knows the place."""
    places = (part.meta["start"] for part in (node.walk() if node is not None else ()) if "start" in part.meta)
    position = next(places, 0)
    return QueryError(key, query=text, position=position if position <= len(text) else 0, **values)


def _unknown(text: str, node: exp.Expr) -> QueryError:
    found = node.sql("duckdb", comments=False)
    return _refusal("query.sql_relation", text, node, found=found, known=", ".join(sorted(RELATIONS)))


def _relations(text: str, node: exp.Expr, visible: frozenset[str]) -> None:
    """Every relation must be known where it stands: a CTE is seen by its query and by the CTEs behind it."""
    clause = node.args.get("with_")
    if isinstance(clause, exp.With):
        for cte in clause.expressions:
            name = cte.alias.lower()
            if not _NAME.fullmatch(name) or name.startswith(_CATALOGUE):
                raise _unknown(text, cte.args["alias"])
            _relations(text, cte.this, visible | {name} if clause.args.get("recursive") else visible)
            visible |= {name}
    if isinstance(node, exp.Table):
        _table(text, node, visible)
    for child in node.iter_expressions():
        if child is not clause:
            _relations(text, child, visible)


def _table(text: str, table: exp.Table, visible: frozenset[str]) -> None:
    if isinstance(table.this, exp.Func):
        if _name_of(table.this) not in _FROM_FUNCTIONS:
            raise _refusal("query.sql_function", text, table, found=_name_of(table.this))
    elif not isinstance(table.this, exp.Identifier) or table.db or table.catalog or table.name.lower() not in visible:
        raise _unknown(text, table)


def _function(text: str, call: exp.Func) -> None:
    name = _name_of(call)
    if _DENIED.fullmatch(name):
        raise _refusal("query.sql_function", text, call, found=name)
    if name not in _SERIES:
        return
    given = list(call.iter_expressions())[1 if name == "repeat" else 0 :]
    if not given or not all(_is_small(part) for part in given):
        raise _refusal("query.sql_series", text, call, function=name, limit=MAX_SERIES)


def _is_small(part: exp.Expr) -> bool:
    while isinstance(part, exp.Neg | exp.Paren):
        part = part.this
    return isinstance(part, exp.Literal) and not part.is_string and abs(float(part.this)) <= MAX_SERIES


def _name_of(call: exp.Func) -> str:
    return (call.name if isinstance(call, exp.Anonymous | exp.AnonymousAggFunc) else call.sql_name()).lower()


def _called(printed: str) -> Iterator[str]:
    """Whatever is written before a parenthesis, as `f(` or `x.f(` or `"f"(`: no way to call a function misses it."""
    found = sqlglot.tokenize(printed, read="duckdb")
    for token, following in pairwise(found):
        if following.text == "(":
            yield token.text.lower()
