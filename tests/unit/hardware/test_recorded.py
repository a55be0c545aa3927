"""Readings from a file."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.errors import InputError
from safelight.hardware.card import Absent, Card
from safelight.hardware.recorded import Recorded, samples


def test_an_index_that_comes_again_begins_the_next_sample_and_the_end_the_first(tmp_path):
    file = tmp_path / "gpu.ndjson"
    readings = [(0, 10), (1, 20), (0, 30), (1, 40)]
    file.write_text("".join(f'{{"index":{index},"vram_used_mb":{used}}}\n' for index, used in readings))
    recorded = Recorded(file)
    told = [[card.vram_used_mb for card in recorded.read().cards] for _ in range(3)]
    assert told == [[10.0, 20.0], [30.0, 40.0], [10.0, 20.0]]


def test_events_that_were_exported_play_as_well(tmp_path):
    file = tmp_path / "gpu.ndjson"
    file.write_text(
        '{"event":"resources_sampled","attributes":{"gpu":{"index":0,"temperature_c":83,"new_field":1}}}\n\n'
    )
    (sample,) = samples(file)
    assert sample.cards[0].temperature_c == 83


@pytest.mark.parametrize("line", ["{", "[]", "1", '{"index":"a"}', '{"gpu":null}', "\udcff"])
def test_a_line_that_is_no_reading_is_named(tmp_path, line):
    file = tmp_path / "gpu.ndjson"
    file.write_bytes(b'{"index":0}\n' + line.encode("utf-8", "surrogateescape") + b"\n")
    with pytest.raises(InputError, match="line 2"):
        Recorded(file).read()


def test_a_file_that_is_missing_or_empty_says_so(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        Recorded(tmp_path / "missing").read()
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(Absent, match="empty"):
        Recorded(tmp_path / "empty").read()


@given(st.lists(st.integers(0, 3), max_size=30))
@settings(max_examples=30, deadline=None)
def test_no_reading_is_lost(tmp_path_factory, indexes):
    file = tmp_path_factory.mktemp("recorded") / "gpu.ndjson"
    file.write_bytes(b"\n".join(msgspec.json.encode(Card(index=index)) for index in indexes))
    assert [card.index for sample in samples(file) for card in sample.cards] == indexes
