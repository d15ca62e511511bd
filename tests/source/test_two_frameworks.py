"""Is what a candidate becomes in PyTorch the same network as what it becomes in Keras?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from blueprints import SPECS, blueprint, draw_rows, load_program
from transfer import copy_weights, randomize

from raygen.config.space import Space
from raygen.config.spaces import list_spaces, load_space
from raygen.source.candidate import Candidate
from raygen.source.frameworks import FRAMEWORKS
from raygen.source.layers import LAYERS
from raygen.source.render import Blueprint, render
from raygen.source.structure import count_parameters

keras = pytest.importorskip("keras", reason="needs the extra tensorflow")

NUM_CANDIDATES, NUM_BY_DEFAULT = 200, 20
_DATA_SETS = {
    "image": ("digits", "clothes", "photos"),
    "tabular": ("people", "wages"),
    "text": ("news",),
}


def _case(number: int) -> tuple[str, str, dict[str, Any]]:
    """The data set, the space and the values of one of the candidates."""
    spaces = list_spaces()
    space, turn = spaces[number % len(spaces)], number // len(spaces)
    names = _DATA_SETS[space.split("/")[0]]
    values = load_space(space).sample(np.random.default_rng(number))
    return names[turn % len(names)], space, values


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(number, marks=() if number < NUM_BY_DEFAULT else pytest.mark.slow)
        for number in range(NUM_CANDIDATES)
    ],
)
def test_both_files_build_one_function(number: int) -> None:
    """A candidate has the same shapes, the same parameters and the same outputs in both."""
    name, space, values = _case(number)

    _compare(name, load_space(space), Candidate(values))


ACTIVATIONS = ("relu", "gelu", "silu", "tanh", "elu", "leaky_relu")
STRUCTURES: dict[str, tuple[str, list[Any]]] = {
    "every activation": ("people", [{"activation": {"name": name}} for name in ACTIVATIONS]),
    "strided convolutions of odd sides": (
        "photos",
        [{"conv": {"filters": 4, "kernel": 5, "stride": 3}}, {"conv": {"filters": 5, "stride": 2}}],
    ),
    "pools that cut a rest off": (
        "photos",
        [{"pool": {"kind": "avg", "size": 5}}, {"pool": {"kind": "max", "size": 2}}],
    ),
    "norm of a flattened image": (
        "photos",
        [{"conv": 3}, "flatten", "norm", {"dropout": 0.1}, {"dense": 7}, {"norm": "layer"}],
    ),
    "dense on an image": ("photos", [{"separable_conv": 6}, {"dense": 7}]),
    "an image pooled to its maximum": ("photos", [{"conv": 6}, {"global_pool": "max"}]),
    "projections in residuals": (
        "photos",
        [
            {"residual": [{"conv": {"filters": 6, "stride": 2}}, {"residual": [{"conv": 9}]}]},
            "flatten",
            {"dense": 8},
            {"residual": [{"dense": 5}, {"activation": "tanh"}]},
        ],
    ),
    "branches within branches": (
        "photos",
        [
            {
                "parallel": [
                    [{"conv": 4}],
                    [{"parallel": [[{"conv": 2}], [{"separable_conv": 3}, "norm"]]}],
                    [],
                ]
            },
            {"parallel": [["global_pool"], [{"global_pool": "max"}, {"dense": 3}]]},
        ],
    ),
    "attention with positions": (
        "news",
        [
            {"embedding": {"width": 12, "positions": True}},
            {"residual": [{"norm": "layer"}, {"attention": 3}]},
            {"residual": [{"conv": {"filters": 8, "kernel": 5}}]},
            {"parallel": [[{"attention": 1}], [{"dense": 3}]]},
            {"global_pool": "avg"},
        ],
    ),
}


@pytest.mark.parametrize("structure", STRUCTURES)
def test_layers_that_no_shipped_space_joins_so(structure: str) -> None:
    """Rows of the catalogue are one function in both, whatever stands before and after them."""
    name, layers = STRUCTURES[structure]

    _compare(name, Space(structure, tuple(layers)), Candidate({}))


def test_every_layer_is_compared() -> None:
    """No row of the catalogue is left out of the comparison."""
    written = repr(STRUCTURES)

    assert not [name for name in LAYERS if f"'{name}" not in written]


def _compare(name: str, space: Space, candidate: Candidate) -> None:
    plan, spec = blueprint(name, space, "torch"), SPECS[name]
    torch_model, torch_program = _build(plan, candidate)
    keras_model, keras_program = _build(blueprint(name, space, "tensorflow"), candidate)
    x = _draw_inputs(name)
    torch_x, keras_x = torch_program["to_inputs"](x), keras_program["to_inputs"](x)
    torch_model = torch_model.cpu().eval()
    randomize(torch_model, seed=len(x))
    copy_weights(torch_model, keras_model, torch_x.cpu())

    with torch.no_grad():
        torch_out = torch_model(torch_x.cpu()).numpy()
    keras_out = keras_model(keras_x, training=False).numpy()

    assert torch_out.shape == keras_out.shape == (len(x), spec.num_outputs)
    torch_count = sum(parameter.numel() for parameter in torch_model.parameters())
    keras_count = sum(int(np.prod(each.shape)) for each in keras_model.trainable_variables)
    assert torch_count == keras_count == count_parameters(plan.structure(candidate))
    np.testing.assert_allclose(keras_out, torch_out, rtol=1e-5, atol=1e-5)


def _build(plan: Blueprint, candidate: Candidate) -> tuple[Any, dict[str, Any]]:
    program: dict[str, Any] = {"__name__": "model"}
    exec(compile(render(plan, candidate).text, "model.py", "exec"), program)
    return program["build_model"](), program


@pytest.mark.parametrize(
    "training",
    [
        {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.0, "schedule": "constant"},
        {"optimizer": "adamw", "weight_decay": 0.1, "schedule": "cosine"},
    ],
    ids=["sgd", "adamw"],
)
@pytest.mark.parametrize("name", ["people", "wages"])
def test_both_files_train_alike(name: str, training: dict[str, Any], tmp_path: Path) -> None:
    """From the same weights, and without dropout, the losses of the epochs are the same."""
    layers = ({"dense": 12}, "norm", {"activation": "tanh"}, {"dense": 6})
    settings = training | {"learning_rate": 0.01, "batch_size": 16, "warmup_epochs": 0.0}
    settings |= {"label_smoothing": 0.1} if SPECS[name].classes else {}
    space = Space("fixed", layers, settings)
    programs = {}
    for framework in FRAMEWORKS:
        path = tmp_path / f"{framework}_model.py"
        path.write_text(render(blueprint(name, space, framework), Candidate({})).text)
        programs[framework] = load_program(path)
    models = {framework: program.build_model() for framework, program in programs.items()}
    copy_weights(models["torch"], models["tensorflow"], torch.from_numpy(_draw_inputs(name)))
    x, y = draw_rows(SPECS[name], 80)

    found: dict[str, list[dict[str, float]]] = {framework: [] for framework in programs}
    for framework, program in programs.items():
        program.build_model = lambda model=models[framework]: model
        program.train(x, y, report=lambda told, _, into=found[framework]: into.append(told))

    torch_losses, keras_losses = (
        [told["train_loss"] for told in found[framework]] for framework in FRAMEWORKS
    )
    assert len(torch_losses) == 4
    np.testing.assert_allclose(keras_losses, torch_losses, rtol=1e-4)


def _draw_inputs(name: str) -> np.ndarray:
    """Five rows of what ``preprocess`` gives."""
    spec, rng = SPECS[name], np.random.default_rng(1)
    if spec.modality == "text":
        return rng.integers(spec.constants["VOCABULARY"], size=(5, *spec.input_shape)).astype("i4")
    return rng.normal(size=(5, *spec.input_shape)).astype(np.float32)
