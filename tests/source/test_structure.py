"""Do layer lists become the structure they describe, and are wrong ones refused in one line?"""

from __future__ import annotations

from typing import Any

import pytest

from raygen.errors import SourceError
from raygen.source.shapes import Shape
from raygen.source.structure import Node, Parallel, Residual, Step, build, count_parameters

IMAGE = Shape("image", (8, 12, 3))
VECTOR = Shape("vector", (10,))
TOKENS = Shape("tokens", (16,))


def _build(layers: Any, shape: Shape = VECTOR, **values: Any) -> tuple[Node, ...]:
    return build(
        layers,
        values,
        input_shape=shape,
        num_outputs=3,
        vocabulary=50,
        where=lambda path: f"config.yaml:4: model.{path}",
    )


def _names(nodes: tuple[Node, ...]) -> list[str]:
    return [node.layer if isinstance(node, Step) else type(node).__name__ for node in nodes]


def test_head_is_added() -> None:
    """A network without layers is one dense layer from the input to the outputs."""
    (head,) = _build([])

    assert isinstance(head, Step)
    assert (head.layer, head.settings, head.output) == (
        "dense",
        {"units": 3},
        Shape("vector", (3,)),
    )
    assert head.num_parameters == 33


def test_head_flattens_an_image() -> None:
    """A network that ends in an image is flattened before its last layer."""
    assert _names(_build([{"conv": 4}], IMAGE)) == ["conv", "flatten", "dense"]


def test_shapes_and_counts_follow_the_layers() -> None:
    """Each layer takes what the one before it gives, and the parameters add up."""
    nodes = _build(
        [{"conv": {"filters": 4, "stride": 2}}, "norm", {"pool": {"size": 2}}, "flatten"], IMAGE
    )

    shapes = [node.output.dims for node in nodes]
    assert shapes == [(4, 6, 4), (4, 6, 4), (2, 3, 4), (24,), (3,)]
    assert [node.num_parameters for node in nodes] == [112, 8, 0, 0, 75]
    assert count_parameters(nodes) == 195


def test_a_single_value_is_the_first_setting() -> None:
    """``- dense: 7`` says what ``- dense: {units: 7}`` says."""
    assert _build([{"dense": 7}]) == _build([{"dense": {"units": 7}}])


def test_references_are_filled_in() -> None:
    """A ``$parameter``, times a number too, stands for the candidate's value."""
    nodes = _build([{"dense": {"units": "$width * 2"}}, {"dropout": "$rate"}], width=6, rate=0)

    assert [node.settings for node in nodes[:2]] == [{"units": 12}, {"rate": 0.0}]  # type: ignore[union-attr]


def test_repeat_builds_again_and_again() -> None:
    """Each turn of a repeat sees the shape that the turn before has left; none is fine too."""
    layers = [{"repeat": "$depth", "of": [{"dense": 5}, "activation"]}]

    assert [_names(_build(layers, depth=n)) for n in (0, 2)] == [
        ["dense"],
        ["dense", "activation", "dense", "activation", "dense"],
    ]
    assert count_parameters(_build(layers, depth=2)) == 55 + 30 + 18


def test_choose_takes_the_block_of_that_name() -> None:
    """A choice between blocks takes one, which may hold containers or nothing."""
    layers = [
        {
            "choose": "$block",
            "from": {"deep": [{"repeat": 2, "of": [{"dense": 5}]}], "none": [], 3: [{"dense": 9}]},
        }
    ]

    assert _names(_build(layers, block="deep")) == ["dense", "dense", "dense"]
    assert _names(_build(layers, block="none")) == ["dense"]
    assert _build(layers, block=3)[0].output.dims == (9,)


@pytest.mark.parametrize(
    ("shape", "layers", "layer", "settings"),
    [
        (VECTOR, [{"dense": 10}], None, None),
        (VECTOR, [{"dense": 4}], "dense", {"units": 4}),
        (IMAGE, [{"conv": 5}], "conv", {"filters": 5, "kernel": 1, "stride": 1}),
        (
            IMAGE,
            [{"conv": {"filters": 3, "stride": 2}}],
            "conv",
            {"filters": 3, "kernel": 1, "stride": 2},
        ),
    ],
    ids=["same shape", "other width", "other channels", "strided"],
)
def test_residual_projects_where_it_must(
    shape: Shape, layers: list[Any], layer: str | None, settings: Any
) -> None:
    """The shortcut is the input itself, or the layer that brings it to the branch's shape."""
    residual = _build([{"residual": layers}], shape)[0]

    assert isinstance(residual, Residual)
    assert residual.output == residual.steps[-1].output
    shortcut = residual.shortcut
    assert (shortcut and shortcut.layer, shortcut and shortcut.settings) == (layer, settings)
    assert residual.num_parameters == residual.steps[0].num_parameters + (
        shortcut.num_parameters if shortcut else 0
    )


def test_residual_on_a_sequence_projects_its_channels() -> None:
    """The channels of a sequence are brought to those of the branch by a dense layer."""
    _, residual, *_ = _build([{"embedding": 6}, {"residual": [{"conv": 9}]}, "global_pool"], TOKENS)

    assert isinstance(residual, Residual)
    assert residual.shortcut
    assert residual.shortcut.settings == {"units": 9}


def test_parallel_joins_channels() -> None:
    """Every branch sees the same input; an empty branch is the input itself."""
    parallel = _build([{"parallel": [[{"dense": 5}], [], [{"dense": 2}]]}])[0]

    assert isinstance(parallel, Parallel)
    assert parallel.output == Shape("vector", (17,))
    assert parallel.num_parameters == 55 + 22


def test_embedding_has_the_vocabulary_of_the_data() -> None:
    """An embedding has a vector for each token, and on request one for each position."""
    plain, placed = (
        _build([{"embedding": {"width": 4, "positions": each}}, "global_pool"], TOKENS)[0]
        for each in (False, True)
    )

    assert plain.output == Shape("sequence", (16, 4))
    assert (plain.num_parameters, placed.num_parameters) == (50 * 4, (50 + 16) * 4)


ERRORS: dict[str, tuple[Any, Shape, str]] = {
    "near miss of a layer": (
        [{"dens": 5}],
        VECTOR,
        "model.layers[0].dens: there is no layer 'dens'; did you mean dense?",
    ),
    "near miss of a container": (
        [{"repat": 5}],
        VECTOR,
        "model.layers[0].repat: there is no layer 'repat'; did you mean repeat?",
    ),
    "unknown layer": (
        [{"__import__('os')": 5}],
        VECTOR,
        """layers[0].__import__('os'): there is no layer "__import__('os')"; known are conv""",
    ),
    "near miss of a setting": (
        [{"dense": {"unit": 5}}],
        VECTOR,
        "model.layers[0].dense.unit: dense has no setting 'unit'; did you mean units?",
    ),
    "unknown setting": (
        [{"conv": {"groups": 5}}],
        IMAGE,
        "conv has no setting 'groups'; known are filters, kernel, stride",
    ),
    "setting of a layer without": ([{"flatten": {"x": 1}}], IMAGE, "known are none"),
    "value for a layer without": ([{"flatten": 3}], IMAGE, "flatten is given 3; it has no setting"),
    "missing setting": (["dense"], VECTOR, "dense lacks units; write `dense: {units: ...}`"),
    "text for a number": ([{"dense": "64"}], VECTOR, "units is '64'; must be a whole number"),
    "fraction for a whole number": ([{"dense": 6.5}], VECTOR, "units is 6.5; must be a whole num"),
    "bool for a number": ([{"dense": True}], VECTOR, "units is True; must be a whole number"),
    "too small": ([{"dense": 0}], VECTOR, "model.layers[0].dense.units: units is 0; must be at le"),
    "too large": ([{"dropout": 1.5}], VECTOR, "rate is 1.5; must be at most 0.95"),
    "even kernel": (
        [{"conv": {"filters": 2, "kernel": 4}}],
        IMAGE,
        "conv.kernel: kernel is 4; must be odd",
    ),
    "no such option": (
        [{"activation": "softplus"}],
        VECTOR,
        "name is 'softplus'; must be one of relu, gelu, silu, tanh, elu, leaky_relu",
    ),
    "code as an option": (
        [{"activation": "relu') or exit('"}],
        VECTOR,
        "must be one of relu, gelu",
    ),
    "no true or false": (
        [{"embedding": {"width": 4, "positions": 1}}],
        TOKENS,
        "positions is 1; must be true or false",
    ),
    "a setting that is not the user's": (
        [{"embedding": {"width": 4, "vocabulary": 9}}],
        TOKENS,
        "embedding has no setting 'vocabulary'; known are width, positions",
    ),
    "conv after flatten": (
        ["flatten", {"conv": 4}],
        IMAGE,
        "model.layers[1].conv: conv is given a vector of 288; it takes image or sequence; put it b",
    ),
    "pool too often": (
        [{"repeat": 4, "of": ["pool"]}],
        IMAGE,
        "model.layers[0].of[0].pool: pool of size 2 is given an image of 1x1x3; its height and wid",
    ),
    "image layer on a table": (["pool"], VECTOR, "pool is given a vector of 10; it takes image"),
    "dense on tokens": (
        [{"dense": 4}],
        TOKENS,
        "dense is given 16 tokens; it takes vector or sequ",
    ),
    "embedding of a table": (
        [{"embedding": 4}],
        VECTOR,
        "embedding is given a vector of 10; it ta",
    ),
    "norm of tokens": (["norm"], TOKENS, "norm is given 16 tokens"),
    "wrong kind of norm": (
        [{"norm": "layer"}],
        IMAGE,
        "norm of kind layer is given an image of 8x12x3; use kind: auto",
    ),
    "strided conv on a sequence": (
        [{"embedding": 4}, {"conv": {"filters": 4, "stride": 2}}],
        TOKENS,
        "conv on a sequence has stride 2; it must be 1",
    ),
    "heads": (
        [{"embedding": 10}, {"attention": 4}],
        TOKENS,
        "attention with 4 heads is given a sequence of 16x10; the channels must be a multiple of",
    ),
    "head on a sequence": (
        [{"embedding": 4}, "norm"],
        TOKENS,
        "model.layers[1]: the last layer gives a sequence of 16x4; a network ends in a vector; add",
    ),
    "head on tokens": ([], TOKENS, "the last layer gives 16 tokens; a network ends in a vector"),
    "branch that cannot be added": (
        [{"residual": ["flatten"]}],
        IMAGE,
        "model.layers[0].residual: the branch turns an image of 8x12x3 into a vector of 288; it mu",
    ),
    "branch whose sides shrink unevenly": (
        [{"residual": [{"pool": {"size": 4}}]}],
        Shape("image", (9, 20, 3)),
        "the branch turns an image of 9x20x3 into an image of 2x5x3; it must be possible to add",
    ),
    "branches that cannot be joined": (
        [{"parallel": [["pool"], [{"conv": 3}]]}],
        IMAGE,
        "layers[0].parallel: the branches give an image of 4x6x3 and an image of 8x12x3; all but",
    ),
    "no branches": ([{"parallel": []}], VECTOR, "the branches give nothing"),
    "branches that are none": ([{"parallel": 3}], VECTOR, "parallel: 3 is not a list of branches"),
    "negative repeat": (
        [{"repeat": -1, "of": ["norm"]}],
        VECTOR,
        "model.layers[0].repeat: repeat is -1; it must be a whole number",
    ),
    "undefined reference": (
        [{"repeat": "$depth", "of": ["norm"]}],
        VECTOR,
        "repeat is '$depth'; it must be a whole number",
    ),
    "no such block": (
        [{"choose": "c", "from": {"a": [], "b": []}}],
        VECTOR,
        "model.layers[0].choose: choose is 'c'; it must be a key of from: a, b",
    ),
    "an unhashable choice": (
        [{"choose": ["a"], "from": {"a": []}}],
        VECTOR,
        "choose is ['a']; it must be a key of from: a",
    ),
    "blocks that are none": (
        [{"choose": "c", "from": 4}],
        VECTOR,
        "choose is 'c'; it must be a key",
    ),
    "container without its other key": (
        [{"repeat": 2}],
        VECTOR,
        "model.layers[0]: repeat is given repeat; it has the keys of and repeat",
    ),
    "two layers in one entry": (
        [{"dense": 3, "norm": None}],
        VECTOR,
        "one entry holds dense, norm; each layer is an entry of its own, with its own dash",
    ),
    "not a layer": ([3], VECTOR, "model.layers[0]: 3 is not a layer; write `- dense: {units: 64}`"),
    "nothing as a layer": ([None], VECTOR, "None is not a layer"),
    "not a list": ({"dense": 3}, VECTOR, "{'dense': 3} is not a list of layers"),
    "text as a list": ([{"residual": "dense"}], VECTOR, "'dense' is not a list of layers"),
    "too deep": (
        [{"repeat": 2000, "of": [{"repeat": 2000, "of": ["norm"]}]}],
        VECTOR,
        "the network has more than 2000 layers",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_wrong_layers_are_refused_in_one_line(case: str) -> None:
    """The line says where, what was given, what must hold."""
    layers, shape, message = ERRORS[case]

    with pytest.raises(SourceError) as caught:
        _build(layers, shape)

    told = str(caught.value)
    assert told.startswith("config.yaml:4: model.")
    assert message in told
    assert "\n" not in told


def test_a_shape_that_only_some_candidates_meet_names_the_candidate() -> None:
    """The values of the candidate are told where they decide whether the network can be built."""
    with pytest.raises(SourceError, match=r"pool of size 2 .* with depth=5, width=3; its height"):
        _build([{"repeat": "$depth", "of": ["pool"]}], IMAGE, depth=5, width=3)
