"""`/api/docs`: the API to read, drawn from its own OpenAPI description. The usual viewers load code from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any, Final

from fastapi import FastAPI
from fastapi.responses import HTMLResponse

_HEAD: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Safelight API</title>
<meta name="viewport" content="width=device-width"><meta name="color-scheme" content="dark light"><style>
body{font:15px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem}
h2{font:600 15px ui-monospace,monospace;margin:2rem 0 .25rem}h2 b{color:#b35a00;margin-right:.5rem}
table{border-collapse:collapse;width:100%}td{border-top:1px solid #8884;padding:.25rem .75rem .25rem 0;
vertical-align:top}td:first-child{font-family:ui-monospace,monospace;white-space:nowrap}small{opacity:.7}</style>
<h1>Safelight API</h1><p>As a machine reads it: <a href="/api/openapi.json">/api/openapi.json</a>.
Errors are <a href="https://www.rfc-editor.org/rfc/rfc9457">problem details</a>.</p>"""


def mount(app: FastAPI) -> None:
    """Add the page."""

    @app.get("/api/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(_HEAD + "".join(_operations(app.openapi())))


def _operations(schema: dict[str, Any]) -> Iterator[str]:
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield f"<h2><b>{method.upper()}</b>{escape(path)}</h2><p>{escape(operation.get('description', ''))}</p>"
            yield f"<table>{''.join(_parameters(operation, schema))}</table>"


def _parameters(operation: dict[str, Any], schema: dict[str, Any]) -> Iterator[str]:
    for parameter in operation.get("parameters", ()):
        described = parameter.get("description") or parameter["schema"].get("title", "")
        default = parameter["schema"].get("default")
        shown = f" <small>default {escape(str(default))}</small>" if default not in (None, "") else ""
        yield f"<tr><td>{escape(parameter['name'])}<td>{escape(described)}{shown}"
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    named = schema.get("components", {}).get("schemas", {}).get(str(body.get("$ref", "")).rsplit("/", 1)[-1], {})
    for name in named.get("properties", {}):
        yield f"<tr><td>{escape(name)}<td>in the JSON body"
