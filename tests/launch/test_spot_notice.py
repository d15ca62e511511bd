"""Is a cloud's word that it takes a machine away understood? Each speaks a language of its own."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from raygen.launch import spot_notice
from raygen.launch.spot_notice import CLOUDS, drain_words, watch


class Metadata:
    """A service that tells a machine of itself, on loopback."""

    def __init__(self) -> None:
        self.answers: Mapping[str, str] = {}
        """By the path; what is not there is not found."""
        self.asked: list[tuple[str, str, str]] = []
        """Method and path, and the header that shows who asks."""
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # the name that http.server calls
                marks = [self.headers.get(name, "") for name in _HEADERS]
                service.asked.append((self.command, self.path, "".join(marks)))
                text = service.answers.get(self.path)
                self.send_response(404 if text is None else 200)
                self.end_headers()
                self.wfile.write((text or "").encode())

            do_PUT = do_GET  # as before

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()


_HEADERS = ("X-aws-ec2-metadata-token", "Metadata-Flavor", "Metadata")
_TOKEN = "/latest/api/token"
_ACTION = "/latest/meta-data/spot/instance-action"
_PREEMPTED = "/computeMetadata/v1/instance/preempted"
_NAME = "/metadata/instance/compute/name?api-version=2021-02-01&format=text"
_EVENTS = "/metadata/scheduledevents?api-version=2020-07-01"


@pytest.fixture
def metadata() -> Iterator[Metadata]:
    """A service."""
    made = Metadata()
    yield made
    made.close()


def in_seconds(seconds: float) -> datetime:
    """A time from now on."""
    return datetime.now(timezone.utc) + timedelta(seconds=seconds)


def azure_event(kind: str, machine: str, begins: str) -> str:
    """What Azure says of one machine to all of its group."""
    event = {"EventType": kind, "Resources": [machine], "NotBefore": begins}
    return json.dumps({"DocumentIncarnation": 1, "Events": [event]})


def test_amazon_says_when(metadata: Metadata) -> None:
    """Only to who has a token; without a notice there is no such page."""
    ask, _ = CLOUDS["aws"]
    metadata.answers = {_TOKEN: "secret"}
    assert ask(metadata.url) is None

    action = {"action": "terminate", "time": in_seconds(120).strftime("%Y-%m-%dT%H:%M:%SZ")}
    metadata.answers = {_TOKEN: "secret", _ACTION: json.dumps(action)}
    left = ask(metadata.url)

    assert left is not None
    assert 110 < left <= 120
    assert metadata.asked[-2:] == [("PUT", _TOKEN, ""), ("GET", _ACTION, "secret")]


def test_google_says_that_it_will(metadata: Metadata) -> None:
    """In half a minute."""
    ask, _ = CLOUDS["gcp"]
    metadata.answers = {_PREEMPTED: "FALSE"}
    assert ask(metadata.url) is None

    metadata.answers = {_PREEMPTED: "TRUE\n"}

    assert ask(metadata.url) == 30
    assert metadata.asked[-1] == ("GET", _PREEMPTED, "Google")


def test_azure_speaks_of_all_machines_of_a_group(metadata: Metadata) -> None:
    """A notice may be another's, or of no more than a restart."""
    ask, _ = CLOUDS["azure"]
    soon = format_datetime(in_seconds(60).replace(microsecond=0), usegmt=True)
    for event in (
        '{"Events": []}',
        azure_event("Preempt", "other", soon),
        azure_event("Reboot", "me", soon),
    ):
        metadata.answers = {_NAME: "me", _EVENTS: event}
        assert ask(metadata.url) is None

    metadata.answers = {_NAME: "me", _EVENTS: azure_event("Preempt", "me", soon)}
    left = ask(metadata.url)
    assert left is not None
    assert 50 < left <= 60
    metadata.answers = {_NAME: "me", _EVENTS: azure_event("Preempt", "me", "")}
    assert ask(metadata.url) == 0
    assert metadata.asked[-1] == ("GET", _EVENTS, "true")


def test_a_service_that_does_not_answer_is_asked_again(
    metadata: Metadata, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said once, and the notice is heard when it comes."""
    monkeypatch.setattr(spot_notice, "_AGAIN_S", 0.05)
    monkeypatch.setattr(spot_notice, "_LOOK_S", 0.05)

    def answer() -> None:
        metadata.answers = {_PREEMPTED: "TRUE"}

    threading.Timer(0.5, answer).start()
    assert watch("gcp", metadata.url) == 30

    assert len(metadata.asked) > 2
    assert capsys.readouterr().out.count("gcp does not answer: HTTP Error 404") == 1


def test_ray_is_told_how_long_there_is() -> None:
    """In whole seconds, at least one: none would be no end at all."""
    assert drain_words("x", 119.6)[-3:] == ["x", "--deadline-remaining-seconds", "120"]
    assert drain_words("x", -3)[-1] == "1"
