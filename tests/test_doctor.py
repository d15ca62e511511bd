from __future__ import annotations

import pytest

from raygen import doctor


def examined(monkeypatch: pytest.MonkeyPatch, **versions: str) -> dict[str, doctor.Finding]:
    """The findings on a machine with these packages and no others."""
    installed = {name.replace("_", "-"): version for name, version in versions.items()}
    monkeypatch.setattr(doctor, "_version", lambda name: installed.get(name, ""))
    return {finding.subject: finding for finding in doctor.examine()}


NEEDED = {
    "ray": "2.60.0",
    "hyperopt": "0.3.0",
    "scikit_learn": "1.9",
    "pandas": "3.1",
    "pyarrow": "26",
    "numpy": "2.4",
}


def test_a_machine_with_one_framework_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is optional is told with its remedy, and spoils nothing."""
    found = examined(monkeypatch, **NEEDED, torch="2.13.0")

    assert doctor.verdict(list(found.values()))
    assert found["tensorflow"].line.startswith("--  tensorflow")
    assert "pip install 'raygen[tensorflow]'" in found["tensorflow"].line


def test_a_machine_without_a_framework_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be trained, and it is said what to type."""
    found = examined(monkeypatch, **NEEDED)

    assert not doctor.verdict(list(found.values()))
    assert found["framework"].line.endswith("pip install 'raygen[torch]'")


def test_tensorflow_for_cpus_counts_as_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package has two names."""
    found = examined(monkeypatch, **NEEDED, tensorflow_cpu="2.21.0")

    assert found["tensorflow"].told == "2.21.0"
    assert doctor.verdict(list(found.values()))


def test_a_missing_library_of_the_engine_is_serious(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Ray nothing works."""
    found = examined(monkeypatch, **(NEEDED | {"ray": ""}), torch="2.13.0")

    assert found["ray"].serious
    assert found["ray"].line.startswith("no  ray")


def test_a_known_bad_combination_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torchvision beside a CPU build of torch fails at its import."""
    found = examined(monkeypatch, **NEEDED, torch="2.13.0+cpu", torchvision="0.28")

    assert found["torch + torchvision"].remedy == "pip uninstall torchvision"
