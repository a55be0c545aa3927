r"""Whether a regular expression is one, said by the engine that will run it: RE2, as it is inside DuckDB.

Python's `re` is another language (look-ahead, back-references, `\p{Han}`), so it cannot be asked. DuckDB is loaded
with the first regular expression only: reading any other query stays cheap.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from ..errors import QueryError

if TYPE_CHECKING:
    import duckdb


def check(pattern: str) -> None:
    """Raise QueryError, with RE2's reason, when `pattern` is not a regular expression."""
    import duckdb  # noqa: PLC0415  0.1 s and 30 MB that a query without a regular expression does not need

    try:
        _engine().cursor().execute("SELECT regexp_matches('', ?)", [pattern]).fetchall()
    except duckdb.Error as error:
        reason = str(error).removeprefix("Invalid Input Error: ").split("\n", 1)[0]
        raise QueryError("query.regex", reason=reason) from error


@cache
def _engine() -> duckdb.DuckDBPyConnection:
    import duckdb  # noqa: PLC0415

    return duckdb.connect(config={"threads": 1, "enable_external_access": False})
