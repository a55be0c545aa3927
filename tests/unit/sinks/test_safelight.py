"""The safelight sink: what an agent sends to the server, and what it makes of the answers."""

from __future__ import annotations

import platform
from datetime import UTC, datetime

import anyio
import pytest
import zstandard
from pydantic import ValidationError

from safelight.arrivals import MEDIA_TYPE, Consignment
from safelight.batch import Batch
from safelight.errors import SinkError, SinkRefused
from safelight.sinks.safelight import Safelight
from support.providers import Answer, Provider

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


YES = Answer.of({"events": 1, "not_understood": 0})
UNREADABLE = Answer(400, b'{"type": "urn:safelight:web.not_a_consignment", "detail": "no"}')


class Server(Provider):
    """Takes consignments."""

    path = ""

    def judge(self, request):
        return YES

    def consignments(self):
        return [Consignment.parse(unpacked(request.body)) for request in self.accepted()]


def unpacked(body):
    return zstandard.ZstdDecompressor().decompressobj().decompress(body)


@pytest.fixture
def server():
    with Server() as serving:
        yield serving


def events(count, message="m"):
    return Batch.of(
        {"id": f"e{n}", "timestamp": NOON, "received_at": NOON, "message": f"{message}{n}"} for n in range(count)
    )


def send(sink, *batches):
    async def main():
        async with sink.connect() as connection:
            return [await connection.send(batch, str(number)) for number, batch in enumerate(batches)][-1]

    return anyio.run(main)


def test_a_batch_arrives_as_it_was_with_who_sent_it(server):
    assert send(Safelight(url=server.url, agent="gpu-7"), events(3)) == []
    (request,) = server.received
    assert (request.path, request.headers["content-type"]) == ("/api/v1/arrivals", MEDIA_TYPE)
    assert request.headers["content-encoding"] == "zstd"
    (consignment,) = server.consignments()
    assert consignment.batch.table.equals(events(3).table)
    assert (consignment.label.understood, consignment.label.agent) == (True, "gpu-7")
    assert consignment.label.batch_id.startswith("gpu-7.0.")
    assert consignment.label.checkpoint == {}


def test_the_host_is_the_agent_unless_it_has_a_name(server):
    send(Safelight(url=server.url), events(1))
    assert server.consignments()[0].label.agent == platform.node()


def test_the_same_batch_has_the_same_id_and_another_under_its_number_has_another(server):
    for batch in (events(3), events(3), events(4)):
        send(Safelight(url=server.url), batch)
    ids = [consignment.label.batch_id for consignment in server.consignments()]
    assert ids[0] == ids[1] != ids[2]


def test_the_token_comes_from_the_configuration_or_a_file_that_may_change(server, tmp_path):
    file = tmp_path / "token"
    send(Safelight(url=server.url, token="one"), events(1))
    for token in ("two\n", "three"):
        file.write_text(token)
        send(Safelight(url=server.url, token_file=file), events(1))
    send(Safelight(url=server.url), events(1))
    given = [request.headers.get("authorization") for request in server.received]
    assert given == ["Bearer one", "Bearer two", "Bearer three", None]


def test_a_token_file_that_is_missing_is_said(server, tmp_path):
    with pytest.raises(SinkError, match=r"token in .*none cannot be read"):
        send(Safelight(url=server.url, token_file=tmp_path / "none"), events(1))
    with pytest.raises(ValidationError, match="not both"):
        Safelight(url=server.url, token="a", token_file=tmp_path / "none")


def test_a_server_that_is_busy_or_full_is_asked_again_when_it_says(server):
    for status in (429, 503, 507):
        server.answers(Answer(status, b"{}", {"Retry-After": "5"}))
        with pytest.raises(SinkError, match="does not take it now") as caught:
            send(Safelight(url=server.url), events(1))
        assert caught.value.after_s == 5
        assert not isinstance(caught.value, SinkRefused)


def test_a_wrong_token_is_an_error_that_somebody_can_put_right(server):
    server.answers(Answer(401))
    with pytest.raises(SinkError, match="Check the credentials") as caught:
        send(Safelight(url=server.url), events(1))
    assert not isinstance(caught.value, SinkRefused)


def test_what_the_server_cannot_read_is_for_the_dead_letters(server):
    server.answers(UNREADABLE)
    with pytest.raises(SinkRefused, match="same version"):
        send(Safelight(url=server.url), events(1))


def test_a_batch_that_is_too_large_is_sent_in_halves_under_ids_of_their_own(server):
    server.answers(Answer(413), Answer(413))
    assert send(Safelight(url=server.url), events(8)) == []
    found = server.consignments()
    assert [len(consignment.batch) for consignment in found] == [2, 2, 4]
    assert len({consignment.label.batch_id for consignment in found}) == 3


def test_an_event_that_is_too_large_by_itself_is_refused_alone(server):
    server.answers(Answer(413), YES, Answer(413))
    refusals = send(Safelight(url=server.url), events(2))
    assert [refusal.row for refusal in refusals] == [1]


def test_of_a_batch_in_halves_only_what_cannot_be_read_is_refused(server):
    server.answers(Answer(413), YES, UNREADABLE)
    refusals = send(Safelight(url=server.url), events(4))
    assert [refusal.row for refusal in refusals] == [2, 3]


def test_no_request_is_larger_than_it_may_be(server):
    assert send(Safelight(url=server.url, most_bytes="64KB"), events(40, message="x" * 10_000)) == []
    bodies = [unpacked(request.body) for request in server.received]
    assert len(bodies) > 4
    assert max(map(len, bodies)) <= 64 * 1024


def test_a_server_that_is_not_there_is_an_error_for_now():
    with Server() as gone:
        url = gone.url
    with pytest.raises(SinkError, match="does not answer"):
        send(Safelight(url=url), events(1))


@pytest.mark.parametrize(
    "answer",
    [Answer(200, b"<html>Please sign in</html>"), Answer(200, b"{}"), Answer(204), Answer(400, b"unsupported path")],
    ids=["a page", "another service", "nothing", "a refusal of another"],
)
def test_who_is_no_safelight_has_not_got_the_events(server, answer):
    server.answers(answer)
    with pytest.raises(SinkError, match="Check the address") as caught:
        send(Safelight(url=server.url), events(1))
    assert not isinstance(caught.value, SinkRefused)
