"""Do S3, Google Cloud Storage and Azure hold data sets and copies of runs? Emulators stand in."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import fsspec
import pytest
from test_storage_runs import COMMAND, EPOCHS, end_all, lose, start, steps

from raygen.runs.journal import read_events

BUCKET = "flowers"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Of the account that Azurite always has; it stands in Microsoft's documentation."""
CONFIG = f"""name: stored
task:
  name: TabularClassification
  dataset: {{{{path: "{{uri}}/rows.csv", target: kind}}}}
model:
  layers: [{{{{dense: {{{{units: $width}}}}}}}}, {{{{activation: {{{{name: relu}}}}}}}}]
  parameters: {{{{width: {{{{choice: [4, 8, 12]}}}}}}}}
search: {{{{algorithm: random, scheduler: fifo, trials: 3, max_epochs: {EPOCHS}}}}}
rank: {{{{top: 2, folds: 3}}}}
"""


@dataclass(frozen=True)
class Emulator:
    """What stands in for a store."""

    scheme: str
    package: str
    """That fsspec reads the store by."""
    needs: str
    """A program or a module."""
    command: tuple[str, ...]
    environment: dict[str, str]


AZURE = "AccountName=devstoreaccount1;BlobEndpoint=http://127.0.0.1:PORT/devstoreaccount1"
EMULATORS = (
    Emulator(
        "s3",
        "s3fs",
        "moto",
        (sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "PORT"),
        {
            "AWS_ENDPOINT_URL": "http://127.0.0.1:PORT",
            "AWS_ACCESS_KEY_ID": "any",
            "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_DEFAULT_REGION": "us-east-1",
        },
    ),
    Emulator(
        "gs",
        "gcsfs",
        "gcp_storage_emulator",
        (sys.executable, "-m", "gcp_storage_emulator", "start", "--port", "PORT", "--in-memory"),
        {
            "STORAGE_EMULATOR_HOST": "http://127.0.0.1:PORT",
            "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",  # which needs a real account
        },
    ),
    Emulator(
        "az",
        "adlfs",
        "azurite-blob",
        (
            *("azurite-blob", "--blobPort", "PORT", "--inMemoryPersistence"),
            *("--skipApiVersionCheck", "--disableTelemetry", "--silent"),
        ),
        {
            "AZURE_STORAGE_CONNECTION_STRING": f"DefaultEndpointsProtocol=http;{AZURE};"
            f"AccountKey={KEY}"
        },
    ),
)


@dataclass(frozen=True)
class Store:
    """A bucket in an emulator that runs."""

    uri: str
    files: Any
    """The file system of fsspec."""

    def journal(self) -> str:
        """The text of the journal of the run there."""
        self.files.invalidate_cache()
        folder = f"{BUCKET}/runs/stored/journal"
        found = sorted(self.files.find(folder)) if self.files.exists(folder) else []
        return b"".join(self.files.cat_file(path) for path in found).decode()


@pytest.fixture(params=EMULATORS, ids=[each.scheme for each in EMULATORS])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Store]:
    """An empty bucket, and an empty folder for copies of what it will have."""
    emulator: Emulator = request.param
    pytest.importorskip(emulator.package, reason=f"fsspec reads {emulator.scheme}:// by it")
    if shutil.which(emulator.needs) is None and find_spec(emulator.needs) is None:
        pytest.skip(f"{emulator.needs}, which stands in for {emulator.scheme}://, is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value.replace("PORT", port))
    monkeypatch.setenv("DATASET_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    command = [word.replace("PORT", port) for word in emulator.command]
    with Path("emulator.txt").open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)
    try:
        yield Store(f"{emulator.scheme}://{BUCKET}", bucket(emulator.scheme, process))
    finally:
        end_all()
        process.kill()
        process.wait()


def bucket(scheme: str, process: subprocess.Popen[bytes]) -> Any:
    """Make the bucket as soon as the emulator answers."""
    files, deadline = fsspec.filesystem(scheme, skip_instance_cache=True), time.monotonic() + 60
    while True:
        try:
            files.mkdir(BUCKET)
        except Exception:  # each store has errors of its own
            assert process.poll() is None, Path("emulator.txt").read_text()
            assert time.monotonic() < deadline, Path("emulator.txt").read_text()
            time.sleep(0.2)
        else:
            return files


def python(*words: str, folder: str = ".") -> subprocess.CompletedProcess[str]:
    """What Python says, which may be an error."""
    return subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, text=True)


def fetched(uri: str) -> Path:
    """The copy of what a URI names, made by the text of the programs."""
    text = "import sys; from raygen.data.fragments.fetch import fetch; print(fetch(sys.argv[1]))"
    done = python("-c", text, uri)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def test_files_and_folders_come_from_a_store(store: Store) -> None:
    """Anew when they have changed; marks of folders are no files; what is not there is one line."""
    store.files.pipe_file(f"{BUCKET}/rows.csv", b"a,b\n1,2\n")
    for name in ("rose/1.png", "tulip/2 & 3.png", "tulip/", ""):
        store.files.pipe_file(f"{BUCKET}/pictures/{name}", name.encode())

    first = fetched(f"{store.uri}/rows.csv")
    store.files.pipe_file(f"{BUCKET}/rows.csv", b"a,b\n3,4\n")
    second, folder = fetched(f"{store.uri}/rows.csv"), fetched(f"{store.uri}/pictures")

    assert first.read_bytes() == b"a,b\n1,2\n"
    assert second.read_bytes() == b"a,b\n3,4\n"
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert names == {"rose/1.png", "tulip/2 & 3.png"}
    for uri in (f"{store.uri}/none.csv", f"{store.uri.replace(BUCKET, 'nowhere')}/rows.csv"):
        text = f"task: {{name: TabularClassification, dataset: {{path: '{uri}', target: b}}}}"
        Path("config.yaml").write_text(text)
        done = python("-m", "raygen", "check", "config.yaml")
        told = f"Error: config.yaml:1: task.dataset.path: nothing is at {uri}; look at its name"
        assert (done.returncode, done.stderr[: len(told)]) == (2, told)
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
@pytest.mark.ray
def test_a_run_on_rows_there_is_lost_and_goes_on_from_its_copy_there(store: Store) -> None:
    """Nothing that the journal there has is trained again, and the program reads the rows."""
    rows = "\n".join(f"{number / 60},{'narrow' if number < 30 else 'wide'}" for number in range(60))
    store.files.pipe_file(f"{BUCKET}/rows.csv", f"width,kind\n{rows}\n".encode())
    config, storage = CONFIG.format(uri=store.uri), f"{store.uri}/runs/"

    def is_midway() -> str:
        """The journal there, once a trial is over and there is a checkpoint of what is not."""
        text = store.journal()
        if '"event": "end"' not in text:
            return ""
        names = store.files.find(f"{BUCKET}/runs/stored/checkpoints")
        return text if any(re.search(r"checkpoint-\d.json$", name) for name in names) else ""

    there = lose(Path(), start(Path(), COMMAND, config, storage), is_midway)

    driver = start(Path(), COMMAND, config, storage)
    assert driver.wait(timeout=300) == 0, Path("said.txt").read_text()

    assert "could not be written" not in Path("said.txt").read_text()
    journal = Path("runs/stored/journal.jsonl")
    assert journal.read_text().startswith(there)
    assert store.journal() == journal.read_text()
    known = [done for event in read_events(journal) if (done := steps(event))]
    assert len(known) == len(set(known))
    over = {steps(json.loads(line)) for line in there.splitlines()}
    for log in Path().glob("runs/stored/trials/*/log.txt"):
        for fold, _ in re.findall(r"^fold (\w+): from epoch (\d+)$", log.read_text(), re.M):
            assert ("fold" if fold != "0" else "end", log.parent.name, fold) not in over
    left = store.files.find(f"{BUCKET}/runs/stored")
    assert [name for name in left if "/checkpoints/" in name] == []
    board = json.loads(Path("runs/stored/leaderboard.json").read_text())
    Path("elsewhere").mkdir()
    shutil.copy("model.py", "elsewhere")
    shutil.rmtree("cache")
    alone = python("-I", "model.py", folder="elsewhere")
    assert alone.returncode == 0, alone.stderr
    assert f"copying {store.uri}/rows.csv to " in alone.stderr
    assert json.loads(alone.stdout.splitlines()[-1])["test"] == board["test"]
