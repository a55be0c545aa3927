"""Whether the server is ready says of each source what its own status says."""

from __future__ import annotations

from types import SimpleNamespace

from safelight.app.status import checks
from safelight.collecting.collector import Collector
from safelight.errors import ConfigError
from safelight.sources.spool import Spool


class Notes:
    def note(self, *_, **__):
        """Nobody listens."""


def collector(tmp_path, name):
    source = Spool(directory=tmp_path / name)
    return Collector(source, None, None, Notes(), "en")


def ready(*collectors):
    app = SimpleNamespace(
        collectors=list(collectors),
        commits=SimpleNamespace(last_seq=0),
        alerting=SimpleNamespace(engine=SimpleNamespace(evaluated_seq=0)),
        intake=SimpleNamespace(refused=None),
    )
    return checks(app)["sources"]


def test_a_source_that_cannot_be_read_at_all_is_failing(tmp_path):
    troubled, partly, waiting = (collector(tmp_path, name) for name in ("troubled", "partly", "waiting"))
    error = ConfigError("config.no_such_file", path="x")
    troubled.trouble("x", error)
    partly.reading(1)
    partly.trouble("x", error)
    waiting.waiting(error)
    assert ready(troubled, partly, waiting) == {"ok": False, "failing": [troubled.source.name]}
    troubled.recovered("x")
    assert ready(troubled, partly, waiting) == {"ok": True, "failing": []}


def test_a_source_that_fell_over_is_failing(tmp_path):
    fallen = collector(tmp_path, "fallen")
    fallen.failure = "It fell over."
    assert ready(fallen)["ok"] is False
