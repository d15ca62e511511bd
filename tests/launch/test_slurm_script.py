"""Is the batch script what was reviewed, and safe whatever the names are?"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from raygen.errors import ConfigError
from raygen.launch.cluster_file import Slurm
from raygen.launch.order import Order
from raygen.launch.slurm import batch_script

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
CLUSTER = Slurm(
    nodes=2,
    cpus_per_node=8,
    gpus_per_node=1,
    memory_gb_per_node=32.0,
    time_limit=3600.0,
    partition="gpu",
    setup=("module load python",),
    options={"constraint": "a100&nvlink", "comment": 'a "b"'},
)


def script(
    folder: str = "/home/ann/my runs", *, array: bool = False, python: tuple[str, ...] = ("python",)
) -> str:
    """A script of a folder with a space."""
    cluster = CLUSTER.model_copy(update={"array": array, "python": python})
    return batch_script(cluster, order_of(Path(folder)))


def order_of(place: Path) -> Order:
    """A run in that folder."""
    return Order(
        name="digits",
        verb=("generate", "--config"),
        config=place / "it's here.yaml",
        overrides=("search.trials=8",),
        here=place,
        run=place / "runs" / "digits",
        output=place / "model.py",
        log=place / "log.txt",
    )


@pytest.mark.parametrize(("name", "array"), [("slurm_job.sh", False), ("slurm_array.sh", True)])
def test_text_is_that_of_the_golden_file(name: str, array: bool) -> None:
    """RAYGEN_GOLDEN=1 writes it anew for a review."""
    text = script(array=array)
    if os.environ.get("RAYGEN_GOLDEN"):
        (GOLDEN / name).write_text(text, encoding="utf-8")

    assert text == (GOLDEN / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("array", [False, True])
def test_bash_reads_it(array: bool) -> None:
    """Every word of the command and the folder is quoted, so that no name can be a command."""
    text = script(folder="/tmp/$(touch owned);'\"", array=array)

    done = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False)

    assert done.returncode == 0, done.stderr
    line = next(line for line in text.splitlines() if line.startswith("cd "))
    read = subprocess.run(
        ["bash", "-c", f"printf %s {line.removeprefix('cd ')}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert read.stdout == "/tmp/$(touch owned);'\""


@pytest.mark.parametrize("array", [False, True])
def test_the_token_is_nowhere(array: bool) -> None:
    """A job makes a token of its own, an array is given one; neither script holds one."""
    text = script(array=array)

    assert "RAY_AUTH_MODE=token" in text
    assert text == script(array=array), "nothing in it is drawn by chance"
    assert not [line for line in text.splitlines() if line.startswith("on ") and "TOKEN" in line]


@pytest.mark.parametrize("array", [False, True])
def test_everything_runs_in_a_container(array: bool) -> None:
    """Ray on each node, the waiting for them and the run itself: the words come before all."""
    inside = ("apptainer", "exec", "--bind", "/my shared", "/shared/raygen.sif", "python")

    text = script(array=array, python=inside)

    quoted = "apptainer exec --bind '/my shared' /shared/raygen.sif python -"
    plain = script(array=array)
    assert text.count(quoted) == plain.count("python -") > 4
    assert text.replace(quoted, "python -") == plain


def test_paths_and_options_are_taken_as_they_are() -> None:
    """A % is no pattern of Slurm's, a line break no new line; an option may have no value."""
    options = {"exclusive": True, "constraint": "a100"}
    text = batch_script(Slurm(options=options), order_of(Path("/runs/50%j")))

    assert "#SBATCH --output=/runs/50%%j/log.txt\n" in text
    assert "#SBATCH --exclusive\n" in text
    assert "#SBATCH --constraint=a100\n" in text
    with pytest.raises(ConfigError, match="a path with a line break given"):
        batch_script(Slurm(), order_of(Path("/runs/a\ntouch b")))
