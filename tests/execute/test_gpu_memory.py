"""Does a program get the part of a GPU that it was given, and no more?"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from raygen.execute import gpu_memory
from raygen.execute.gpu_memory import SHARE, await_memory, environment_of, limit_memory


@pytest.fixture
def free(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with the free memory that a machine of two GPUs of 1,000 MiB tells, ask by ask."""
    answers = tmp_path / "free.txt"
    program = tmp_path / "nvidia-smi"
    program.write_text(
        f"""#!{sys.executable}
lines = open({str(answers)!r}).read().split()
open({str(answers)!r}, "w").write(" ".join(lines[1:] or lines))
print(f"0, GPU-a, 1000, 1000\\n1, GPU-b, {{lines[0]}}, 1000")
"""
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(gpu_memory, "_PAUSE_S", 0.01)
    return answers


@pytest.mark.parametrize("visible", ["1", "GPU-b", "0,1"])
def test_a_program_waits_until_those_before_it_are_gone(
    free: Path, visible: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It asks until its part is free, whatever the GPU is called."""
    free.write_text("100 400 950 1000")

    await_memory({SHARE: "1.0", "CUDA_VISIBLE_DEVICES": visible})

    assert free.read_text() == "1000", "three asks"
    assert capsys.readouterr().out == ""


def test_a_part_is_all_that_it_waits_for(free: Path) -> None:
    """Who shares the GPU may use the rest."""
    free.write_text("100 300 1000")

    await_memory({SHARE: "0.25", "CUDA_VISIBLE_DEVICES": "1"})

    assert free.read_text() == "1000"


def test_what_stays_taken_is_told(
    free: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the program begins all the same."""
    monkeypatch.setattr(gpu_memory, "_PATIENCE_S", 0.2)
    free.write_text("100")

    await_memory({SHARE: "0.5", "CUDA_VISIBLE_DEVICES": "1"})

    assert "GPU 1: only 100 of 500 MiB are free" in capsys.readouterr().out


def test_without_gpus_nobody_is_asked(free: Path) -> None:
    """Nor where there is no nvidia-smi."""
    free.write_text("100 200")

    await_memory({SHARE: "0.0"})
    await_memory({})

    assert free.read_text() == "100 200"


def test_a_part_of_a_gpu_is_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """For PyTorch by its own setting, for TensorFlow by taking memory as it is wanted."""
    torch = pytest.importorskip("torch")
    limits: list[float] = []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", limits.append)

    for gpus in (0.0, 0.25, 1.0, 2.0):
        limit_memory(environment_of(gpus))

    assert limits == [0.25]
    assert "TF_FORCE_GPU_ALLOW_GROWTH" in environment_of(0.25)
    assert "TF_FORCE_GPU_ALLOW_GROWTH" not in environment_of(1.0)
