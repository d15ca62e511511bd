from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from searched import EPOCHS, PARAMETERS, made_space, noise, searched, steep

from raygen.config.space import Choice, Condition, Float, Int, Parameter, Space
from raygen.errors import ConfigError, RunError
from raygen.report.plots import PLOTS, draw_search, known_names, refusals, search_data
from raygen.report.slices import slices_figure
from raygen.report.view import view_of
from raygen.runs.records import History

ALWAYS = ["progress", "parallel", "slices", "rungs"]
TWO = {"objectives": [{"name": "accuracy", "mode": "max"}, {"name": "latency", "mode": "min"}]}
LONG = (
    Parameter("a_name_that_goes_on_and_on_for_ever_and_a_day", Float(1e-9, 1e3, log=True)),
    Parameter("block[0].$heads$", Choice(tuple(f"a long option {i}" for i in range(7)))),
    Parameter("huge", Int(1, 10**9)),
    Parameter("tiny", Float(-1e-7, 1e-7)),
    Parameter("many", Choice(tuple(range(40)))),
    Parameter("inner", Int(1, 3), when=Condition("huge", (1,))),
)
SOME = PARAMETERS[3:6]


def wild(values: Any, rng: np.random.Generator) -> float:
    """Negative losses, one in five of which blew up."""
    return float(10.0 ** rng.normal(12, 3) if rng.random() < 0.2 else -1e4 * rng.random())


SEARCHES: dict[str, tuple[History, Space, list[str]]] = {
    "one_trial": (searched(1, noise, space=made_space(SOME)), made_space(SOME), ALWAYS),
    "usual": (
        searched(60, steep, rungs=(1, 3, EPOCHS), fails=lambda v: v["learning_rate"] > 0.05),
        made_space(),
        ["progress", "parallel", "slices", "importance", "rungs"],
    ),
    "all_failed": (
        searched(12, noise, space=made_space(SOME), fails=lambda v: True),
        made_space(SOME),
        ALWAYS,
    ),
    "long_names": (
        searched(20, noise, space=made_space(LONG), rungs=(1, 100)),
        made_space(LONG),
        ["progress", "parallel", "slices", "importance", "rungs"],
    ),
    "blown_up": (
        searched(9, wild, metric="log_loss", space=made_space(SOME)),
        made_space(SOME),
        ALWAYS,
    ),
    "nothing_differs": (
        searched(12, noise, space=made_space(PARAMETERS[-1:])),
        made_space(PARAMETERS[-1:]),
        ["progress", "rungs"],
    ),
    "two_metrics": (searched(9, noise, begin=TWO), made_space(SOME), [*ALWAYS, "pareto"]),
    "nothing": (History(), made_space(), []),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_every_search_has_its_pictures(name: str, tmp_path: Path) -> None:
    """All that can be drawn is drawn, without a warning, and the rest has its reason."""
    history, space, expected = SEARCHES[name]

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        written = draw_search(history, space, tmp_path, name=f"{name} $\\frac$ " * 9)

    assert [path.stem for path in written] == expected
    assert set(refusals(view_of(history, space))) == set(PLOTS) - set(expected)
    for path in written:
        assert path.parent == tmp_path / "plots"
        with Image.open(path) as image:
            colours = image.convert("RGB").getcolors(1 << 24)
        assert colours is not None
        assert len(colours) > 20


def test_no_point_of_a_slice_lies_outside_of_it() -> None:
    """Those of a short range of whole numbers are spread, at its ends too."""
    space = made_space((Parameter("stages", Int(1, 2)),))
    figure = slices_figure(view_of(searched(40, noise, space=space), space))

    axis = figure.axes[0]
    low, high = axis.get_xlim()
    drawn = [x for points in axis.collections for x, _ in points.get_offsets()]
    assert len(drawn) >= 40
    assert low < min(drawn)
    assert max(drawn) < high


def test_the_numbers_behind_the_pictures_are_json() -> None:
    """What is drawn can be read by machines too; what is refused says why."""
    history, space, _ = SEARCHES["usual"]

    data = json.loads(json.dumps(search_data(history, space), allow_nan=False))

    assert set(data) == {"metric", "mode", "advice", *PLOTS}
    assert data["progress"]["trials begun"]["best"][-1] == max(view_of(history, space).goodness)
    assert data["slices"]["momentum"]["values"] == [
        trial.values["momentum"] for trial in history.trials.values() if "momentum" in trial.values
    ]
    assert data["rungs"]["reached"][0] == 60
    assert "one metric" in data["pareto"]["refused"]
    assert data["importance"]["parameters"][0]["name"] == "learning_rate"


def test_a_named_picture_that_is_not_there_says_why(tmp_path: Path) -> None:
    """Asked for by name, a picture without content is an error of one line, not a blank file."""
    history, space, _ = SEARCHES["one_trial"]

    with pytest.raises(RunError, match="importance: 1 trials have a score; it takes 10"):
        draw_search(history, space, tmp_path, names=["importance"])

    assert not list(tmp_path.iterdir())


def test_an_unknown_picture_names_the_near_or_the_known() -> None:
    """A slip is told what was meant."""
    with pytest.raises(ConfigError, match="did you mean slices"):
        known_names(["slcies"])
    with pytest.raises(ConfigError, match="there are progress, parallel"):
        known_names(["zzz"])

    assert known_names(["rungs", "rungs"]) == ["rungs"]
