from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from raygen.config.origin import Origin
from raygen.config.parameters import in_order, parse_parameters
from raygen.config.space import Choice, Condition, Float, Int, Parameter, Prior, Space
from raygen.errors import ConfigError
from raygen.interchange.configspace import space_from_configspace, space_to_configspace

ConfigSpace = pytest.importorskip("ConfigSpace")

SPACE = Space(
    "mixed",
    (),
    parameters=(
        Parameter("optimizer", Choice(("adamw", "sgd", "lion")), "training"),
        Parameter("momentum", Float(0.5, 0.9, step=0.1), when=Condition("optimizer", ("sgd",))),
        Parameter(
            "decay", Float(1e-5, 1e-1, log=True), when=Condition("optimizer", ("sgd", "lion"))
        ),
        Parameter("nesterov", Choice((True, False)), when=Condition("momentum", (0.8, 0.9))),
        Parameter("depth", Int(1, 4), prior=Prior(2, "high")),
        Parameter("width", Int(16, 500, log=True)),
        Parameter("units", Int(8, 40, step=8)),
        Parameter("only", Float(0.25, 0.25)),
        Parameter("lone", Choice(("x",))),
    ),
)


def reread(text: str) -> tuple[Parameter, ...]:
    """The parameters of a YAML text."""
    given = yaml.safe_load(text)["parameters"]
    parsed = parse_parameters(given, origin=Origin("text"), settings={})
    return in_order(parsed, where=Origin("text").where)


def written(tmp_path: Path, space: Any) -> Path:
    """A file with what ConfigSpace itself writes."""
    path = tmp_path / "space.json"
    space.to_json(path)
    return path


def test_a_space_goes_to_configspace_and_comes_back(tmp_path: Path) -> None:
    """Domains, conditions, priors and what a parameter changes are the same after both ways."""
    path = tmp_path / "space.json"
    path.write_text(space_to_configspace(SPACE), encoding="utf-8")

    assert reread(space_from_configspace(path)) == SPACE.parameters


def test_a_space_comes_back_through_the_package(tmp_path: Path) -> None:
    """What ConfigSpace reads and writes again is the same space."""
    path = tmp_path / "space.json"
    path.write_text(space_to_configspace(SPACE), encoding="utf-8")
    path = written(tmp_path, ConfigSpace.ConfigurationSpace.from_json(path))

    found = reread(space_from_configspace(path))

    assert {each.name: each for each in found} == {each.name: each for each in SPACE.parameters}


def test_configspace_draws_candidates_of_the_space(tmp_path: Path) -> None:
    """Every configuration that ConfigSpace samples is valid, conditions included."""
    path = tmp_path / "space.json"
    path.write_text(space_to_configspace(SPACE), encoding="utf-8")
    space = ConfigSpace.ConfigurationSpace.from_json(path)
    space.seed(1)

    drawn = [
        json.loads(json.dumps(dict(each), default=plain))
        for each in space.sample_configuration(200)
    ]

    for values in drawn:
        SPACE.validate(values)
    assert {"adamw", "sgd", "lion"} == {values["optimizer"] for values in drawn}


def plain(value: Any) -> Any:
    """A numpy scalar as a Python one."""
    return value.item()


def foreign() -> Any:
    """A space as a user of ConfigSpace writes it."""
    space = ConfigSpace.ConfigurationSpace(name="theirs")
    space.add(
        ConfigSpace.Categorical("kernel", ["rbf", "poly", "linear"]),
        ConfigSpace.OrdinalHyperparameter("size", [1, 2, 4]),
        ConfigSpace.Float("C", (1e-3, 1e3), log=True),
        ConfigSpace.Integer("degree", (2, 5)),
        ConfigSpace.Float("coef", (0.0, 1.0)),
        ConfigSpace.Constant("version", 3),
    )
    return space


def test_conditions_of_every_kind_become_lists_of_values(tmp_path: Path) -> None:
    """Equals, in, not equals, less and greater hold for the same values of the parent."""
    space = foreign()
    space.add(
        ConfigSpace.EqualsCondition(space["degree"], space["kernel"], "poly"),
        ConfigSpace.NotEqualsCondition(space["coef"], space["kernel"], "linear"),
        ConfigSpace.GreaterThanCondition(space["C"], space["size"], 1),
    )

    found = {each.name: each for each in reread(space_from_configspace(written(tmp_path, space)))}

    assert found["degree"] == Parameter("degree", Int(2, 5), when=Condition("kernel", ("poly",)))
    assert found["coef"].when == Condition("kernel", ("rbf", "poly"))
    assert found["C"].when == Condition("size", (2, 4))
    assert found["version"].domain == Choice((3,))
    assert found["size"].domain == Choice((1, 2, 4))


def test_a_conjunction_that_a_parent_implies_is_one_condition(tmp_path: Path) -> None:
    """Degree is active for the kernel poly alone, so a condition on both is one on degree."""
    space = foreign()
    space.add(
        ConfigSpace.EqualsCondition(space["degree"], space["kernel"], "poly"),
        ConfigSpace.AndConjunction(
            ConfigSpace.InCondition(space["coef"], space["kernel"], ["poly", "rbf"]),
            ConfigSpace.InCondition(space["coef"], space["degree"], [2, 3]),
        ),
    )

    found = {each.name: each for each in reread(space_from_configspace(written(tmp_path, space)))}

    assert found["coef"].when == Condition("degree", (2, 3))


def refused(tmp_path: Path, space: Any) -> str:
    """What is said of a space that cannot be read."""
    with pytest.raises(ConfigError) as caught:
        space_from_configspace(written(tmp_path, space))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_raygen_cannot_represent_is_refused(tmp_path: Path) -> None:
    """Conjunctions of unrelated parents, forbidden clauses, normal ranges: each in one line."""
    both = foreign()
    both.add(
        ConfigSpace.AndConjunction(
            ConfigSpace.EqualsCondition(both["coef"], both["kernel"], "poly"),
            ConfigSpace.EqualsCondition(both["coef"], both["size"], 2),
        )
    )
    forbidden = foreign()
    forbidden.add(ConfigSpace.ForbiddenEqualsClause(forbidden["kernel"], "linear"))
    normal = foreign()
    normal.add(ConfigSpace.NormalFloatHyperparameter("noise", 0, 1, lower=-1, upper=1))
    weighted = foreign()
    weighted.add(ConfigSpace.CategoricalHyperparameter("w", ["a", "b"], weights=[1, 2]))

    assert "the condition of coef on kernel, size" in refused(tmp_path, both)
    assert "search.constraints" in refused(tmp_path, forbidden)
    assert "noise is of the type normal_float" in refused(tmp_path, normal)
    assert "w has weights" in refused(tmp_path, weighted)


def test_a_file_that_is_no_space_is_refused(tmp_path: Path) -> None:
    """Absent files, other texts and other JSON are each told in one line."""
    path = tmp_path / "other.json"
    for text, told in (("[1, 2]", "no list of hyperparameters"), ("{", "not JSON")):
        path.write_text(text)
        with pytest.raises(ConfigError, match=told):
            space_from_configspace(path)
    with pytest.raises(ConfigError, match="no such file"):
        space_from_configspace(tmp_path / "absent.json")
