"""Rules judged by an injected clock: as they come, as a server that was started again would, and as a back-test does.

    night = Judging(store, ["3 failures in a row"])
    night.at(10, run("run_failed"))
    night.until(60)
    assert night.said["r0"] == [(13, [{"service": "photo"}])]

Times are seconds from START. What is committed has its own time as its timestamp. What a rule said is a list of times
with the label sets that hold from then on, or with the labels of what happened.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from safelight.alerts.judge import Judge
from safelight.alerts.judged import Hit, Judged
from safelight.alerts.past import replay
from safelight.alerts.rule import Rule
from safelight.batch import Batch

START = datetime(2026, 11, 22, tzinfo=UTC)
_NUMBERS = itertools.count(1)

Said = list[tuple[float, list[dict[str, str]]]]


def rules_of(whens: Sequence[str], **fields: Any) -> list[Rule]:
    return [Rule(id=f"r{number}", when=when, **fields) for number, when in enumerate(whens)]


def event(**fields: Any) -> dict[str, Any]:
    return {"id": f"j{next(_NUMBERS)}", "level": "INFO", "event": "log", "service": "photo", **fields}


def run(name: str, workflow: str = "wf-1", **fields: Any) -> dict[str, Any]:
    return event(**{"event": name, "workflow_id": workflow, "instance": "gpu-1", **fields})


def second(number: float) -> datetime:
    return START + timedelta(seconds=number)


class Judging:
    def __init__(self, store: Any, rules: Sequence[str | Rule], *, watched: float = 0) -> None:
        whens = [rule for rule in rules if isinstance(rule, str)]
        self.store = store
        self.rules = rules_of(whens) if whens else [rule for rule in rules if isinstance(rule, Rule)]
        self.watched = second(watched)
        self.now = second(0)
        self.seq = store.figures().last_seq
        self.held: dict[str, set[frozenset[tuple[str, str]]]] = {rule.id: set() for rule in self.rules}
        self.said: dict[str, Said] = {rule.id: [] for rule in self.rules}
        self.hits: list[Hit] = []
        self.steps: list[Judged] = []
        self.accepting = True
        self.judge = self._judge()

    def at(self, time: float, *events: dict[str, Any]) -> None:
        """Let time pass until then, and commit these."""
        self.until(time)
        self.commit(*events)
        self.step()

    def commit(self, *events: dict[str, Any]) -> None:
        """Commit, and judge later."""
        rows = [{"timestamp": self.now, "received_at": self.now, **fields} for fields in events]
        if rows:
            self.store.append(Batch.of(rows))

    def until(self, time: float) -> None:
        """Let time pass, with every step that is due."""
        end = second(time)
        while (due := max(self.judge.next_due(self.now), self.now)) <= end:
            assert due > self.now or not self.steps, "a step is due again and again"
            self.now = due
            self.step()
        self.now = end

    def step(self) -> Judged:
        upto = self.store.figures().last_seq
        judged = self.judge.step(self.seq, upto, self.now, self.watched, self.held)
        self.steps.append(judged)
        if not self.accepting:
            return judged
        self.judge.accept()
        self.seq = upto
        at = (self.now - second(0)).total_seconds()
        for hit in judged.hits:
            self.hits.append(hit)
            self.said[hit.rule.id].append((at, [dict(hit.labels)]))
        for standing in judged.standing:
            holding = {frozenset(one.labels.items()) for one in standing.holding}
            if holding != self.held[standing.rule.id]:
                self.held[standing.rule.id] = holding
                self.said[standing.rule.id].append((at, _sets(holding)))
        return judged

    def restart(self) -> None:
        """As after the death of the process: nothing is remembered but what was written down."""
        self.judge = self._judge()

    def again(self, seconds: float) -> dict[str, Said]:
        """What a back-test from the beginning says."""
        return {rule.id: past(self.store, rule, 0, seconds) for rule in self.rules}

    def _judge(self) -> Judge:
        return Judge(self.store, self.rules, now=self.now, upto_seq=self.seq, held=self.held, looked_at=self.now)


def past(store: Any, rule: Rule, start: float, end: float) -> Said:
    """What a back-test says, in the same form."""
    said: Said = []
    for tick, judged in replay(store, rule, second(start), second(end)):
        at = (tick - second(0)).total_seconds()
        said += [(at, [dict(hit.labels)]) for hit in judged.hits]
        said += [(at, _sets({frozenset(o.labels.items()) for o in one.holding})) for one in judged.standing]
    return said


def _sets(labels: set[frozenset[tuple[str, str]]]) -> list[dict[str, str]]:
    return [dict(one) for one in sorted(sorted(labels_of) for labels_of in labels)]
