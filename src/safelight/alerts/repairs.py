"""Repairs: the steps of `then`, one after the other, each in its row, so that a crash neither forgets nor repeats one.

    waiting ──▶ running ──▶ done ──(the alert goes on at its next repeat)──▶ the next step waits
       │           │          └──(in force, the alert is over)──▶ undone
       │           └──▶ failed ──▶ its `else`, or the next step, waits at once
       ├──▶ skipped   done too often: as failed; done just now, or the alert is over: as done
       └──▶ dry_run

Each step is tried at most once an episode; a rule that names steps has them tried, whatever its severity. A row holds
its remedy and the steps after it, so that a rule which is changed meanwhile does not matter.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from sqlite3 import Row
from typing import Any, Final

from ..errors import InputError, NoSuchEvent
from ..remedies import Remedy, step, told
from ..remedies.cause import Said, dump
from ..units import written
from .alert import Alert
from .database import Database, at, moment
from .repair import Repair, of_row
from .rule import Rule

OPEN: Final = frozenset({"waiting", "running"})
KEEP_FOR: Final = timedelta(days=30)
TOO_LATE: Final = timedelta(hours=1)
"""After an alert was over for so long, what its dry run named is not carried out any more."""


class Repairs:
    """The repairs of all alerts, in the `Database` of the alerts."""

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._db = database
        self._now = now
        self.changes = 0
        """Counts up whenever there may be something to do."""

    def begin(self, alert: Alert, rule: Rule) -> None:
        """An alert is told, for the first time or once more, or would be by day: its next step is to be tried.
        Inside the caller's transaction."""
        if not rule.then:
            return
        last = self._db.row("repair_newest_of", alert=alert.id)
        if last is None:
            steps = [told(remedy) for remedy in rule.then]
            self._add(alert.id, rule.id, alert.severity, dict(alert.labels), _runs(alert), steps, rule.channels)
        elif last["status"] in OPEN or last["in_force"]:
            return
        elif json.loads(last["rest"]):
            self._follow(last, json.loads(last["rest"]))
        elif last["status"] == "done":
            self._db.change("repair_did_not_help", id=last["id"])
        self._db.change("repair_forget", before=self._now() - KEEP_FOR)
        self.changes += 1

    def go_on(self, alert: Alert, rule: Rule) -> None:
        """It happened again, and nobody is told for the hour or because it flaps: its next step is to be tried once the
        last one had the rule's `repeat` to help. Inside the caller's transaction."""
        last = self._db.row("repair_newest_of", alert=alert.id)
        if last is not None and self._now() - at(last["created_at"]) >= rule.repeat:
            self.begin(alert, rule)

    def hushed(self, repair: Repair) -> str | None:
        """Why nobody is told of its alert: the reason of `mutes`."""
        reason = self._db.value("repair_hushed", alert=repair.cause.alert)
        return None if reason is None else str(reason)

    def over(self, alert: Alert) -> None:
        """An alert is over: what waits is called off, what is in force is to be taken back. Inside the caller's
        transaction."""
        now = self._now()
        if self._db.change("repair_over", alert=alert.id, now=now):
            self._db.change("repair_called_off", alert=alert.id, said=dump([Said("remedies.alert_over")]), now=now)
            self.changes += 1

    def waiting(self) -> list[Repair]:
        """What is to be tried, oldest first."""
        return _readable(self._db.rows("repair_waiting"))

    def in_force(self) -> list[Repair]:
        """What is to be taken back when its alert is over (`over_at`)."""
        return _readable(self._db.rows("repair_in_force"))

    def helpless(self) -> list[Repair]:
        """Last steps after which the alert went on, each once."""
        with self._db.transaction():
            rows = self._db.rows("repair_helpless")
            for row in rows:
                self._db.change("repair_told_helpless", id=row["id"])
        return _readable(rows)

    def recover(self) -> list[Repair]:
        """Once, at the start: what was running when the last process ended has failed, and is not tried again."""
        with self._db.transaction():
            ids = [row["id"] for row in self._db.rows("repair_running")]
            for id_ in ids:
                self._finish(id_, "failed", [Said("remedies.interrupted")])
        return _readable(self._db.row("repair", id=id_) for id_ in ids)

    def start(self, repair: Repair, place: str) -> Said | None:
        """Begin to try it, unless its guards say no: then why, and the row is closed as skipped."""
        with self._db.transaction():
            refusal = self._refusal(repair.remedy, place)
            if refusal is not None:
                self._finish(repair.id, "skipped", [refusal], place=place)
                if refusal.key == "remedies.too_often":
                    self._go_on(repair)
                return refusal
            return None if self._db.change("repair_start", id=repair.id, place=place, now=self._now()) else _OVER

    def finish(self, repair: Repair, status: str, said: Sequence[Said]) -> None:
        """Write down how it went; after a failure the next step waits."""
        with self._db.transaction():
            self._finish(repair.id, status, said, in_force=status == "done" and repair.remedy.undone)
            if status == "failed":
                self._go_on(repair)
            self.changes += 1

    def name(self, repair: Repair, said: Sequence[Said]) -> bool:
        """It is a dry run, and so is only said. True for the first one of its episode."""
        with self._db.transaction():
            first = not self._db.value("repair_is_there", alert=repair.cause.alert, id=repair.id)
            self._finish(repair.id, "dry_run", said, dry_run=True)
        return first

    def undone(self, repair: Repair, said: Sequence[Said]) -> None:
        """It was taken back."""
        with self._db.transaction():
            self._db.change("repair_undone", id=repair.id, said=dump(said), now=self._now())

    def remark(self, repair: Repair, said: Sequence[Said]) -> None:
        """Something about it that is not its end."""
        with self._db.transaction():
            self._db.change("repair_said", id=repair.id, said=dump(said))

    def newest(self, alert: str | None = None, limit: int = 50) -> list[Repair]:
        """Of one alert or of all, newest first."""
        return _readable(self._db.rows("repair_list", alert=alert, limit=limit))

    def get(self, id_: str) -> Repair:
        """One of them. Raises NoSuchEvent."""
        row = self._db.row("repair", id=id_)
        if row is None:
            raise NoSuchEvent("remedies.no_such", id=id_)
        return of_row(row)

    def do(self, id_: str) -> Repair:
        """Carry out what a dry run only named, as a repair of its own. Raises NoSuchEvent, InputError."""
        with self._db.transaction():
            row = self._db.row("repair", id=id_)
            if row is None:
                raise NoSuchEvent("remedies.no_such", id=id_)
            if row["status"] != "dry_run":
                raise InputError("remedies.not_a_dry_run", id=id_, status=row["status"])
            over_at = moment(row["over_at"])
            if over_at and self._now() - over_at > TOO_LATE:
                raise InputError("remedies.long_over", within=written(TOO_LATE))
            new = self._follow(row, [json.loads(row["step"]), *json.loads(row["rest"])], forced=True)
            if over_at:
                self._db.change("repair_over", alert=row["alert"], now=over_at)
        self.changes += 1
        return self.get(new)

    def _refusal(self, remedy: Remedy, place: str) -> Said | None:
        now = self._now()
        since = now - max(remedy.max.within, remedy.cool_down)
        rows = self._db.rows("repair_tries", place=place, subject=remedy.subject(), since=since)
        tries = [at(row["started_at"]) for row in rows]
        if tries and now - tries[0] < remedy.cool_down:
            return Said("remedies.just_done", {"cool_down": written(remedy.cool_down)})
        if sum(now - tried < remedy.max.within for tried in tries) >= remedy.max.times:
            return Said("remedies.too_often", {"times": remedy.max.times, "within": written(remedy.max.within)})
        return None

    def _go_on(self, repair: Repair) -> None:
        row = self._db.row("repair", id=repair.id)
        if repair.next is not None and row is not None and row["over_at"] is None:
            following, rest = repair.next
            self._follow(row, [following, *rest], forced=bool(row["forced"]))

    def _follow(self, row: Row, steps: list[Any], *, forced: bool = False) -> str:
        channels = json.loads(row["channels"]) if row["channels"] else None
        labels, runs = json.loads(row["labels"]), json.loads(row["runs"])
        return self._add(row["alert"], row["rule"], row["severity"], labels, runs, steps, channels, forced=forced)

    def _add(
        self,
        alert: str,
        rule: str,
        severity: int,
        labels: dict[str, str],
        runs: Sequence[str],
        steps: list[Any],
        channels: Iterable[str] | None,
        *,
        forced: bool = False,
    ) -> str:
        id_ = secrets.token_hex(8)
        self._db.change(
            "repair_add",
            id=id_,
            alert=alert,
            rule=rule,
            severity=severity,
            labels=json.dumps(labels, ensure_ascii=False),
            runs=json.dumps(list(runs)),
            step=json.dumps(steps[0], ensure_ascii=False),
            rest=json.dumps(steps[1:], ensure_ascii=False),
            channels=None if channels is None else json.dumps(list(channels), ensure_ascii=False),
            forced=forced,
            subject=step(steps[0]).subject(),
            now=self._now(),
        )
        return id_

    def _finish(
        self,
        id_: str,
        status: str,
        said: Iterable[Said],
        *,
        place: str | None = None,
        dry_run: bool = False,
        in_force: bool = False,
    ) -> None:
        self._db.change(
            "repair_finish",
            id=id_,
            status=status,
            said=dump(said),
            place=place,
            dry_run=dry_run,
            in_force=in_force,
            now=self._now(),
        )


_OVER: Final = Said("remedies.alert_over")


def _runs(alert: Alert) -> list[str]:
    return list(dict.fromkeys(event["workflow_id"] for event in alert.events if event.get("workflow_id")))


def _readable(rows: Iterable[Row | None]) -> list[Repair]:
    """Without those whose remedy is not installed any more."""
    found = []
    for row in rows:
        with suppress(ValueError):
            found += [of_row(row)] if row else []
    return found
