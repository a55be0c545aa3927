"""How a mistake ends the command line: a sentence, an exit code, and nothing that acts on the terminal."""

from __future__ import annotations

import pytest

from safelight import cli
from safelight.errors import ConfigError, InputError, QueryError


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (InputError("runs.no_such_run", id="a\x07\x9b2Jb"), 1, "a2Jb"),
        (InputError("runs.no_such_run", id="a\nb"), 1, "a\nb"),
        (ConfigError("cli.as_said", said="one\ntwo\x07"), 1, "one\ntwo\n"),
        (QueryError("cli.as_said", said="no", query="a:\x07b", position=2), 2, "no\na:b\n  ^\n"),
    ],
    ids=["input", "lines", "config", "query"],
)
def test_a_mistake_is_told_without_control_characters(monkeypatch, capsys, error, code, said):
    def fail(**_):
        raise error

    monkeypatch.setattr(cli, "safelight", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    told = capsys.readouterr().err
    assert ended.value.code == code
    assert said in told
    assert not {"\x07", "\x9b"} & set(told)
