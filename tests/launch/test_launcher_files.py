"""Are the files of Ray's cluster launcher what it takes, and safe as they are?"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from raygen.launch.spot_notice import CLOUDS

CLUSTER = Path(__file__).resolve().parents[2] / "cluster"
FILES = ("onprem", "aws", "gcp", "azure")


def read(name: str) -> dict[str, Any]:
    """A shipped file."""
    found: dict[str, Any] = yaml.safe_load((CLUSTER / f"{name}.yaml").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("name", FILES)
def test_ray_takes_it(name: str) -> None:
    """It fits the schema that Ray checks it by, with Ray's defaults filled in, and one key less."""
    jsonschema = pytest.importorskip("jsonschema")
    from ray import autoscaler
    from ray.autoscaler._private.util import prepare_config

    folder = Path(autoscaler.__path__[0])
    schema = json.loads((folder / "ray-schema.json").read_text(encoding="utf-8"))

    prepared = prepare_config(read(name))

    jsonschema.validate(prepared, schema)
    assert prepared["available_node_types"][prepared["head_node_type"]]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**prepared, "idle_timeout": 5}, schema)


@pytest.mark.parametrize("name", FILES)
def test_it_is_safe_and_ends_by_itself(name: str) -> None:
    """A token on every node, the dashboard on loopback, idle workers that go, runs on /shared."""
    config = read(name)
    commands = " ".join(config["setup_commands"])
    (start,) = [line for line in config["head_start_ray_commands"] if "--head" in line]

    assert "~/.ray/auth_token" in config["file_mounts"]
    assert "RAY_AUTH_MODE=token" in commands
    assert "chmod 600 ~/.ray/auth_token" in commands
    assert "--dashboard-host=127.0.0.1" in start
    assert "AUTOSCALER_METRIC_PORT=-1 DASHBOARD_METRIC_PORT=-1" in start
    (join,) = [line for line in config["worker_start_ray_commands"] if "ray start" in line]
    for line in (start, join):
        assert "RAY_enable_metrics_collection=0" in line, "numbers that anybody could read"
    assert config["idle_timeout_minutes"] <= 30
    assert "/shared" in commands
    assert ".git" in config["rsync_exclude"]


@pytest.mark.parametrize("name", ["aws", "gcp", "azure"])
def test_clouds_give_gpus_when_trials_wait_for_them(name: str) -> None:
    """The head trains nothing; GPU workers are spot machines, none of them at first."""
    types = read(name)["available_node_types"]

    assert types["head"]["resources"]["CPU"] == 0
    assert types["gpu"]["min_workers"] == 0
    assert types["gpu"]["max_workers"] > 0
    assert "spot" in json.dumps(types["gpu"]["node_config"]).lower()
    *_, end, watch = read(name)["worker_start_ray_commands"]
    assert f" raygen.launch.spot_notice {name} " in watch
    pattern = end.split("'")[1]
    assert re.search(pattern, watch), "an earlier watcher is not ended"
    assert not re.search(pattern, end), "the shell ends itself"
    assert name in CLOUDS
