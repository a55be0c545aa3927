"""Whether anybody is told of an alert, and if not, why: decided when there is something to tell."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from .alert import Alert, Mute
from .flaps import Flaps
from .inhibit import Inhibition, cause_of
from .quiet import Quiet
from .rule import Rule
from .silences import Silences
from .state import State

SHADOW, ACKNOWLEDGED, SILENCE, INHIBITED, FLAPPING, QUIET_HOURS = (
    "shadow", "acknowledged", "silence", "inhibited", "flapping", "quiet_hours",
)  # fmt: skip


class Mutes:
    """The reasons, in the order in which they count."""

    def __init__(
        self, state: State, silences: Silences, flaps: Flaps, rules: Mapping[str, Rule], quiet: Quiet | None
    ) -> None:
        self._state = state
        self._silences = silences
        self._flaps = flaps
        self._rules = rules
        self._quiet = quiet
        self.inhibition = Inhibition(rules.values())

    def reason(self, alert: Alert, now: datetime, *, flapping: bool = True, quiet: bool = True) -> Mute | None:
        """Why nobody is told that it fires; None when somebody is. `flapping`, `quiet`: whether that is a reason."""
        rule = self._rules.get(alert.rule)
        if rule and rule.shadow:
            return Mute(SHADOW)
        if alert.acknowledged_at:
            return Mute(ACKNOWLEDGED)
        if found := self._silenced(alert) or self._inhibited(alert):
            return found
        if flapping and (until := self._flaps.stable_at(alert.identity)):
            return Mute(FLAPPING, until=until)
        return self._quiet_hours(alert, now) if quiet else None

    def reason_when_over(self, alert: Alert, now: datetime, *, quiet: bool = True) -> Mute | None:
        """Why nobody who knows that it fired is told that it is over."""
        return self._silenced(alert) or (self._quiet_hours(alert, now) if quiet else None)

    def quiet_until(self, now: datetime) -> datetime | None:
        """The end of the quiet hours that `now` lies in."""
        return self._quiet.until(now) if self._quiet else None

    def _silenced(self, alert: Alert) -> Mute | None:
        found = next((one for one in self._silences.active() if one.matches(alert)), None)
        return Mute(SILENCE, found.id, found.until) if found else None

    def _inhibited(self, alert: Alert) -> Mute | None:
        causes = self.inhibition.causes(alert.rule)
        cause = cause_of(alert, self._state.firing_of(causes)) if causes else None
        return Mute(INHIBITED, cause.id) if cause else None

    def _quiet_hours(self, alert: Alert, now: datetime) -> Mute | None:
        if self._quiet is None or alert.severity >= self._quiet.below:
            return None
        until = self._quiet.until(now)
        return Mute(QUIET_HOURS, until=until) if until else None
