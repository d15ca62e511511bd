"""Are the packages that a run needs on a cluster installed there, or is said why not?"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from lone_head import ADDRESS
from small_network import ROOT, lacking

from raygen.config.load import load_experiment
from raygen.errors import ConfigError
from raygen.launch.environment import SHIPPED, Packages, failure_in, packages_of

Raygen = Callable[..., tuple[int, str]]
CONFIG = """\
name: answer
task: {name: Custom, objective: "train.py:train", metric: loss, mode: min}
model: {parameters: {lr: {float: [0.1, 0.2]}}}
search: {algorithm: random, trials: 2, max_epochs: 1}
rank: {top: 1, folds: 2}
environment: {pip: requirements.txt}
"""
PROGRAM = """\
def train(parameters, report, resume=None):
    import tinyanswer

    report({"loss": float(tinyanswer.ANSWER), "epoch": 1})
"""


def read(place: Path, key: str = "pip", name: str = "requirements.txt") -> Packages:
    """What a config with that environment asks for."""
    experiment = load_experiment(place / "config.yaml", [f"environment={{{key}: {name}}}"])
    return packages_of(experiment, place)


def write_wheel(folder: Path, name: str, answer: int) -> str:
    """A package of one module; gives the name of the file."""
    about = f"{name}-1.0.dist-info"
    file = folder / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as wheel:
        wheel.writestr(f"{name}.py", f"ANSWER = {answer}\n")
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")
    return file.name


def test_requirements_become_those_of_a_node(place: Path) -> None:
    """Files that they name are read, paths are those of what is shipped, options stay."""
    (place / "more").mkdir()
    (place / "own.whl").write_text("")
    (place / "more/base.txt").write_text("-c pins.txt\nb>=2  # new\n\nd==1.0\nd==1.0\n")
    (place / "more/pins.txt").write_text("b==2.1\n")
    (place / "requirements.txt").write_text(
        "# ours\n--extra-index-url https://a.example/simple\n-r more/base.txt\na[x]==1.* \\\n"
        "  ; python_version > '3'\n./own.whl --no-deps\n-e more\nhttps://a.example/c-1.0.whl\n"
        "e @ https://a.example/e.zip\n"
    )

    packages = read(place)

    lines = packages.settings["pip"]["packages"]
    assert [" ".join(line.split()) for line in lines if not line.startswith("#")] == [
        "--extra-index-url https://a.example/simple",
        f"-c {SHIPPED}more/pins.txt",
        "b>=2",
        "d==1.0",
        "d==1.0",
        "a[x]==1.* ; python_version > '3'",
        f"{SHIPPED}own.whl --no-deps",
        f"{SHIPPED}more",
        "https://a.example/c-1.0.whl",
        "e @ https://a.example/e.zip",
    ]
    assert packages.files == ("more/pins.txt", "own.whl", "more")
    assert packages.unpinned == ("a",)


def test_another_file_of_the_same_name_is_installed_anew(place: Path) -> None:
    """Ray keeps an environment by its words, so these tell the content."""
    (place / "requirements.txt").write_text("./own.whl\n")
    (place / "own.whl").write_text("one")
    before = read(place, "uv").settings

    (place / "own.whl").write_text("two")

    assert read(place, "uv").settings != before


@pytest.mark.parametrize(
    ("key", "text", "told"),
    [
        ("pip", "", "environment: environment.pip: requirements.txt names no package"),
        ("pip", "--no-index\n", "names no package"),
        ("pip", "-r none.txt\n", "no such file: none.txt"),
        ("uv", "./none.whl\n", "requirements.txt names ./none.whl; a relative path must be there"),
        ("pip", "../work/../bin\n", "names ../work/../bin; a relative path must be there"),
        (
            "pip",
            "--index-url https://ann:hunter2@pypi.example.org/simple\na==1\n",
            "requirements.txt has a name or a password in the URI https://pypi.example.org/simple",
        ),
        (
            "uv",
            "a @ git+https://ann:hunter2@example.org/a.git\n",
            "requirements.txt has a name or a password in the URI git+https://example.org/a.git; ",
        ),
        (
            "pip",
            "a @ git+https://ghp_abc@example.org/a.git\n",
            "requirements.txt has a name or a password in the URI git+https://example.org/a.git",
        ),
        (
            "pip",
            "--extra-index-url https://ann:hun,t'er2@pypi.example.org/simple\na==1\n",
            "requirements.txt has a name or a password in the URI https://pypi.example.org/simple",
        ),
        (
            "pip",
            "a @ https://example.org/a.whl?X-Amz-Signature=abc\n",
            "requirements.txt has the parameter X-Amz-Signature in the URI https://example.org/a.w",
        ),
        (
            "conda",
            "dependencies: [raygen, {pip: ['--index-url https://ann:hunter2@example.org/s']}]\n",
            "environment.yaml has a name or a password in the URI https://example.org/s; what",
        ),
        ("pip", "-r requirements.txt\n", "requirements.txt names no package"),
        ("pip", "-c latin.txt\n", "latin.txt: not a text; it must hold requirements in UTF-8"),
        ("uv", "-r latin.txt\n", "latin.txt: not a text; it must hold requirements in UTF-8"),
        ("conda", "dependencies: [numpy]\n", "names no raygen; an environment of conda has"),
    ],
)
def test_what_cannot_be_installed_from_is_refused(
    place: Path, key: str, text: str, told: str
) -> None:
    """Here, with the place and what must hold."""
    name = "environment.yaml" if key == "conda" else "requirements.txt"
    (place / name).write_text(text)
    (place / "latin.txt").write_bytes("# gr\u00f6\u00dfer\n".encode("latin-1"))
    (place.parent / "bin").mkdir(exist_ok=True)

    with pytest.raises(ConfigError, match=re.escape(told)):
        read(place, key, name)


def test_a_password_may_be_a_variable_of_the_nodes(place: Path) -> None:
    """Its name is all that the job holds."""
    lines = [
        "--index-url https://ann:${PYPI_TOKEN}@pypi.example.org/simple",
        "a @ git+https://${GIT_TOKEN}@example.org/a.git",
        "b @ git+ssh://git@example.org/b.git",
    ]
    (place / "requirements.txt").write_text("\n".join(lines))

    assert set(lines) <= set(read(place).settings["pip"]["packages"])


def test_an_environment_of_conda(place: Path) -> None:
    """A file is sent as what it says, a name as it is."""
    says = {"dependencies": ["numpy=2", {"pip": ["/shared/raygen"]}]}
    (place / "environment.yaml").write_text(yaml.dump(says))

    assert read(place, "conda", "environment.yaml").settings["conda"] == says
    assert read(place, "conda", "mine").settings["conda"] == "mine"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("{pip: a.txt, uv: b.txt}", "environment.uv: given beside pip; there must be one of them"),
        ("{image: a:1}", "name it in the cluster file"),
    ],
)
def test_what_does_not_go_together_is_refused(place: Path, words: str, told: str) -> None:
    """With what would."""
    with pytest.raises(ConfigError, match=told):
        load_experiment(place / "config.yaml", [f"environment={words}"])


def test_clusters_that_have_packages_of_their_own(place: Path, raygen: Raygen) -> None:
    """Slurm's python and Kubernetes' image are told; what can be done is in the manifest."""
    (place / "requirements.txt").write_text("a==1.0\n")
    (place / "kuberay.yaml").write_text("kuberay: {image: img, claim: b}\n")
    words = ("--dry-run", "--set", "environment={pip: requirements.txt}")

    code, told = raygen("submit", "config.yaml", "--cluster", "slurm.yaml", *words)
    assert (code, "install them there, or by a line of slurm.setup" in told) == (2, True), told
    assert len(told.strip().splitlines()) == 1
    code, told = raygen("submit", "config.yaml", "--cluster", "kuberay.yaml", *words)
    assert code == 0, told
    job = list(yaml.safe_load_all(told.partition("time: ")[0]))[1]
    assert json.loads(job["spec"]["runtimeEnvYAML"])["pip"]["packages"] == ["a==1.0"]
    (place / "requirements.txt").write_text("./requirements.txt\n")
    code, told = raygen("submit", "config.yaml", "--cluster", "kuberay.yaml", *words)
    assert (code, "put it into the image (img)" in told) == (2, True), told


def test_a_dry_run_tells_what_is_installed(place: Path, raygen: Raygen) -> None:
    """And what is not pinned, and what would not go along."""
    pytest.importorskip("pathspec")
    words = ("submit", "config.yaml", "--cluster", "http://192.0.2.1:8265", "--dry-run")
    given = ("--set", "environment={pip: requirements.txt}")
    (place / "requirements.txt").write_text(f"a\nb>=1\n./{write_wheel(place, 'own', 1)}\n")

    code, told = raygen(*words, *given)

    assert code == 0, told
    assert "# installed on each node by Ray: pip, requirements.txt" in told
    assert "no one version (==) is asked for of a, b" in told
    (place / ".gitignore").write_text("*.whl\n")
    code, told = raygen(*words, *given)
    assert (code, "own-1.0-py3-none-any.whl (environment) does not" in told) == (2, True), told


def test_an_installation_that_fails_is_one_line() -> None:
    """The installer's own last words, of all that Ray says, and the node."""
    head = (
        "runtime_env setup failed: its runtime env failed\n[Node 10.0.0.2] Traceback:\n  File x\n"
    )
    pip = "ERROR: No version (from versions: none)\nERROR: No matching distribution found for a\n"
    uv = "Last:\n  \N{MULTIPLICATION SIGN} No solution found:\n  ╰─▶ Because a was not found, no.\n"

    of_node = "the packages are not installed on node 10.0.0.2: "
    assert failure_in(head + pip) == f"{of_node}No matching distribution found for a"
    assert failure_in(head + uv) == f"{of_node}No solution found: Because a was not found, no."
    assert failure_in(f"{head}ValueError: no conda\n") == f"{of_node}ValueError: no conda"
    assert failure_in("Job failed due to an application error\n") == ""


@pytest.mark.slow
def test_a_package_is_there_in_a_trial(tmp_path: Path) -> None:
    """A wheel that goes along is installed for the run alone; one that is nowhere is told."""
    if reason := lacking():
        pytest.skip(reason)
    pytest.importorskip("aiohttp")
    own = tmp_path / "own"  # Ray copies the environment it runs in: here a small one
    venv.create(own, with_pip=True)
    packages = next(own.glob("lib/python*/site-packages"))
    (packages / "others.pth").write_text(f"{ROOT}\n{sysconfig.get_path('purelib')}\n")
    place = tmp_path / "work"
    place.mkdir()
    (place / "config.yaml").write_text(CONFIG)
    (place / "train.py").write_text(PROGRAM)
    (place / "requirements.txt").write_text(f"./{write_wheel(place, 'tinyanswer', 42)}\n")
    (place / "none.txt").write_text("raygen-test-no-such-package==1.0\n")
    script = f"""
import subprocess, sys
def raygen(*words):
    done = subprocess.run([sys.executable, "-m", "raygen", *words], capture_output=True, text=True)
    print(done.stdout + done.stderr, done.returncode, sep="\\n---", flush=True)
to = ("--cluster", {ADDRESS!r}, "--run-dir")
raygen("submit", "config.yaml", *to, {str(tmp_path / "good")!r})
raygen("attach", "runs/answer")
bad = ("--set", "name=bad", "--set", "environment.pip=none.txt")
raygen("submit", "config.yaml", *to, {str(tmp_path / "bad")!r}, *bad)
"""
    done = subprocess.run(
        [
            *(sys.executable, Path(__file__).with_name("lone_head.py"), own / "bin/python"),
            *(sys.executable, "-c", script),
        ],
        cwd=place,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )

    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    board = json.loads((tmp_path / "good" / "leaderboard.json").read_text())
    assert board["entries"][0]["mean"] == 42, told
    failed = "the packages are not installed on node 127.0.0.1: No matching distribution found"
    (line,) = [line for line in done.stdout.splitlines() if failed in line]
    assert "raygen-test-no-such-package" in line
    assert done.stdout.strip().endswith("---2"), told
    there = subprocess.run([own / "bin/python", "-c", "import tinyanswer"], check=False)
    assert there.returncode, "it was there before"
