"""What the README shows works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from raygen.cli import app

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def test_first_yaml_is_a_fine_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader who copies the first YAML into config.yaml has a config without a fault."""
    yaml = next(text for language, text in blocks() if language == "yaml")
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(yaml, encoding="utf-8")

    result = CliRunner().invoke(app, ["check", "config.yaml"])

    assert (result.exit_code, result.exception) == (0, None)


def test_verbs_exist() -> None:
    """Every ``raygen VERB`` of a code block or between backticks is a verb of the command line."""
    code = [text for _, text in blocks()]
    code += re.findall(r"`([^`\n]+)`", BLOCKS.sub("", README.read_text(encoding="utf-8")))
    named = {verb for text in code for verb in re.findall(r"(?:^|[\s/])raygen ([a-z]+)\b", text)}
    verbs = {each.name or each.callback.__name__ for each in app.registered_commands}

    assert "generate" in named
    assert named - verbs == set()


def test_files_exist() -> None:
    """Every relative link of the README leads to a file or folder of the repository."""
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", README.read_text(encoding="utf-8"))
    local = [link for link in links if "://" not in link]

    assert [link for link in local if not (README.parent / link).exists()] == []


def blocks() -> list[tuple[str, str]]:
    """Language and text of each fenced code block, in order."""
    return BLOCKS.findall(README.read_text(encoding="utf-8"))
