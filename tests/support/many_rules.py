"""Fifty rules of every kind, as a busy studio might have written them."""

from __future__ import annotations

from itertools import cycle, islice

_KINDS = (
    "any event:node_failed node:Node{n}",
    'any level:ERROR message:"word {n}"',
    "any error_group:family{n}*",
    "more than {n}0 level:ERROR over 1h",
    "more than {n}0 level:WARNING by service over 15m",
    "failure rate of service:studio-{n} > 15% over 15m, at least 20 runs",
    "{n} failures in a row of service:studio-{n}",
    "mean duration_ms of event:node_finished by node > {n}0s over 15m, at least 20",
    "p95 duration_ms of event:run_finished > {n}0m over 1h, at least 10",
    "run takes > {n}h",
    "run shows no progress for {n}0m",
    "duration_ms by node {n}x its usual over 1h, at least 10",
    "gpu.temperature_c > 9{n} for 2m",
    "new error group of service:studio-{n}",
)


def many_rules(count: int) -> list[str]:
    """`count` conditions, every kind in turn; none of them fires for the lines of the benchmarks."""
    kinds = islice(cycle(_KINDS), count)
    return [kind.replace("{n}", str(2 + number // len(_KINDS))) for number, kind in enumerate(kinds)]


def as_toml(conditions: list[str]) -> str:
    """As they stand in the configuration."""
    rules = (f"[[rules]]\nid = 'many-{number}'\nwhen = '''{when}'''\n" for number, when in enumerate(conditions))
    return "".join(rules)
