"""Fixtures that every folder of tests may use."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets beside the checkout; tests that need it are skipped without."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("the folder shared/data is not beside the checkout")
    return folder


@pytest.fixture(scope="module")
def one_ray() -> Iterator[None]:
    """Ray, started once for all tests of a file."""
    from raygen.config.resources_section import Resources
    from raygen.execute.session import session

    with session(Resources(), lambda: None):
        yield


@pytest.fixture
def on_one_ray(one_ray: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the runs of a test share the Ray of its file."""
    from raygen.execute.room import Room

    monkeypatch.setattr(
        "raygen.execute.session.session", lambda wanted, _: nullcontext(Room(wanted, shared=False))
    )


@dataclass
class Web:
    """A web server on loopback."""

    folder: Path
    """What it gives."""
    uri: str = ""
    loaded: list[str] = field(default_factory=list)
    """Files that were asked for whole, in order."""
    refuses: int = 0
    """The status that it answers everything with; 0 to give what there is."""


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, web: Web, *args: Any) -> None:
        self._web = web
        super().__init__(*args, directory=str(web.folder))

    def do_GET(self) -> None:
        if not self.path.endswith("/"):
            self._web.loaded.append(self.path)
        super().do_GET()

    def send_head(self) -> Any:
        if self._web.refuses:
            return self.send_error(self._web.refuses)
        return super().send_head()

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """A web server for the test's own folder, and an empty folder for copies of what it gives."""
    pytest.importorskip("aiohttp", reason="fsspec reads http by it")
    monkeypatch.setenv("DATASET_CACHE", str(tmp_path / "cache"))
    given = Web(tmp_path)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, given))
    given.uri = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield given
    server.shutdown()
    server.server_close()
