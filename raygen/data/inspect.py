"""What must be known of a data set before anything is trained, and is it as the YAML says?"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from raygen.data.fetched import fetched, named_by, state_of
from raygen.data.loaders import LOADERS
from raygen.data.request import DatasetSection, Origin, Request, near_miss, told
from raygen.data.spec import STRATIFIED, DataSpec, Deal, Modality
from raygen.uris import is_uri

HUB_NAMES = {
    "ag_news": "fancyzhx/ag_news",
    "cifar10": "uoft-cs/cifar10",
    "fashion_mnist": "zalando-datasets/fashion_mnist",
    "imdb": "stanfordnlp/imdb",
    "mnist": "ylecun/mnist",
    "sst2": "stanfordnlp/sst2",
}
"""Short names of data sets of the Hugging Face hub."""

BUNDLED = ("digits", "iris", "wine", "breast_cancer", "diabetes")
"""Data sets that come with scikit-learn."""

DIGITS_COUNTS = (178, 182, 177, 183, 181, 182, 181, 179, 174, 180)
"""Images of each digit, so that the default config is checked without loading scikit-learn."""

_OWN_FOLDS = ("leave-one-group-out", "function")
"""Splits whose number of folds has nothing to do with the classes."""

_FRAME_KEYS = ("target", "ignore", "train_split", "test_split")
_KEYS = {
    "digits": (),
    "npz": (),
    "folder": ("image_size", "train_split", "test_split"),
    "image": ("image", "image_size", *_FRAME_KEYS),
    "table": _FRAME_KEYS,
    "text": ("text", "max_length", *_FRAME_KEYS),
}


def inspect(
    dataset: DatasetSection,
    *,
    modality: Modality,
    regression: bool,
    folds: int,
    origin: Origin | None = None,
    deal: Deal = STRATIFIED,
) -> DataSpec:
    """Find out shape, classes and row counts of a data set, and the constants of its loader.

    Args:
        dataset: The section ``task.dataset`` of the YAML.
        modality: What one row is: an image, a row of a table, a text.
        regression: Whether the target is a number rather than a class.
        folds: Number of folds for which every class must have rows.
        origin: Says file and line of a key for the messages.
        deal: How rows are dealt into folds.

    Raises:
        ConfigError: A name is not known, or a key means nothing for this data.
        DataError: The data is not there, cannot be read, or is too little.
        EnvironmentProblem: The hub was asked for without the package ``datasets``, or a URI without
            the package for its store.
    """
    request = Request(
        dataset=dataset,
        modality=modality,
        regression=regression,
        folds=folds,
        origin=origin,
        deal=deal,
    )
    source, place = resolve(request)
    uri = dataset.path or ""
    if not is_uri(uri):
        return _describe(request, source, place)
    with named_by(uri, place):
        return _at_uri(_describe(request, source, place), uri, Path(place))


def _describe(request: Request, source: str, uri: str) -> DataSpec:
    _check_keys(request, source)
    if request.deal.by is not None and source in ("digits", "npz", "folder"):
        raise request.config_error(
            f"{request.deal.split} given, and {_KINDS[source]} has no columns",
            key="rank.split",
            must="only tables have groups, an order or folds of their own",
            remedy="write stratified",
        )
    spec = _inspector(source)(request, uri, source)
    _check_rows(request, spec)
    if request.deal.function and source in ("digits", "npz", "folder"):
        from raygen.data.own_split import images_as_given  # pandas

        return images_as_given(request, spec)
    return spec


def _at_uri(spec: DataSpec, uri: str, place: Path) -> DataSpec:
    """The same with what programs read in place of this machine's copy of it."""
    named = uri.rstrip("/") + spec.uri.removeprefix(str(place))
    copied = spec.source == "folder" and not uri.startswith("file://")
    return replace(
        spec,
        uri=named,
        sha=state_of(place) if copied else spec.sha,
        constants={**spec.constants, "DATA": named},
    )


def resolve(request: Request) -> tuple[str, str]:
    """Say how the data is read and by what name or path: for example ``("npz", "a.npz")``.

    What a URI names is read by the path of this machine's copy.
    """
    name, path = request.dataset.name, request.dataset.path
    source, uri = _resolve_path(request, path) if path else _resolve_name(request, name or "")
    if (source, request.modality) not in LOADERS:
        kinds = [kind for kind, modality in LOADERS if modality == request.modality]
        raise request.config_error(
            f"{uri} does not hold {request.modality} data",
            must=f"{request.modality} data is read from: {told(_KINDS[kind] for kind in kinds)}",
        )
    return source, uri


_KINDS = {
    "digits": "the bundled digits",
    "npz": "an .npz file",
    "folder": "a folder of images by class",
    "csv": "a .csv file",
    "parquet": "a .parquet file",
    "hub": "the Hugging Face hub",
    "sklearn": f"a bundled table ({', '.join(BUNDLED)})",
}


def _resolve_path(request: Request, path: str) -> tuple[str, str]:
    place = fetched(request, path) if is_uri(path) else Path(path).expanduser()
    if not place.exists():
        beside = [file.name for file in place.parent.iterdir()] if place.parent.is_dir() else []
        raise request.data_error(
            f"no such file: {path}",
            remedy=near_miss(place.name, beside)
            or "paths count from the folder in which the command is typed",
        )
    if place.is_dir():
        return "folder", str(place)
    match place.suffix:
        case ".npz":
            return "npz", str(place)
        case ".csv" | ".parquet":
            return place.suffix[1:], str(place)
    raise request.config_error(
        f"{path} is a kind of file that is not read",
        must="must be an .npz, .csv or .parquet file, or a folder of images by class",
    )


def _resolve_name(request: Request, name: str) -> tuple[str, str]:
    if name == "digits" and request.modality == "image":
        return "digits", name
    if name in BUNDLED:
        return "sklearn", name
    if name in HUB_NAMES or "/" in name or Path(name).is_dir():
        return "hub", HUB_NAMES.get(name, name)
    known = [*BUNDLED, *HUB_NAMES]
    raise request.config_error(
        f"no data set is named {name!r}",
        must=f"must be one of {told(known)}, or an owner/name of the Hugging Face hub",
        remedy=near_miss(name, known) or "for a file of your own give path: instead of name:",
    )


def _inspector(source: str) -> Callable[[Request, str, str], DataSpec]:
    """Import only what this kind of data needs: the digits need no pandas."""
    match source:
        case "digits":
            return inspect_digits
        case "npz":
            from raygen.data.inspect_npz import inspect_npz

            return inspect_npz
        case "folder":
            from raygen.data.inspect_folder import inspect_folder

            return inspect_folder
    from raygen.data.inspect_frame import inspect_frame

    return inspect_frame


def inspect_digits(request: Request, uri: str, source: str) -> DataSpec:
    """Describe the bundled digits without loading them."""
    ends = [0, *itertools.accumulate(DIGITS_COUNTS)]
    # deal() makes every fifth row of those sorted by class a test row, beginning with the first
    tests = [-(-end // 5) + -start // 5 for start, end in itertools.pairwise(ends)]
    counts = tuple(count - test for count, test in zip(DIGITS_COUNTS, tests, strict=True))
    classes = tuple(range(10))
    return DataSpec(
        uri=uri,
        source=source,
        modality=request.modality,
        sha=hashlib.sha256(repr((uri, DIGITS_COUNTS)).encode()).hexdigest()[:16],
        num_rows=sum(counts),
        num_test_rows=sum(tests),
        input_shape=(8, 8, 1),
        classes=classes,
        class_counts=counts,
        constants={"DATA": uri, "CLASSES": classes},
    )


def _check_keys(request: Request, source: str) -> None:
    """Refuse what would be passed over in silence."""
    known = _KEYS[source if source in _KEYS else request.modality]
    for key in ("target", "text", "image", "image_size", "max_length", "ignore"):
        if getattr(request.dataset, key) and key not in known:
            raise request.config_error(
                f"means nothing for {_KINDS[source]} of {request.modality} data",
                key=f"task.dataset.{key}",
                remedy="remove this key",
            )
    for key, default in (("train_split", "train"), ("test_split", "test")):
        given = getattr(request.dataset, key)
        if key not in known and given not in (None, default):
            raise request.config_error(
                f"{_KINDS[source]} has no split {given!r}",
                key=f"task.dataset.{key}",
                must=f"must be {default}",
            )


def _check_rows(request: Request, spec: DataSpec) -> None:
    """Every fold needs rows of every class, and the final score needs test rows."""
    if not spec.num_test_rows:
        raise request.data_error("has no test rows", must="the final score needs some")
    if spec.num_rows < max(request.folds, 2):
        raise request.data_error(
            f"{spec.num_rows} training rows are too few for {request.folds} folds",
            key="rank.folds",
            must="every fold, 5 of them if nothing is written, needs a row",
            remedy=f"set rank.folds: {spec.num_rows}" if spec.num_rows > 1 else "add rows",
        )
    if request.regression:
        return
    if sum(count > 0 for count in spec.class_counts) < 2:
        raise request.data_error(
            f"all {spec.num_rows} training rows are of class "
            f"{spec.classes[spec.class_counts.index(max(spec.class_counts))]!r}",
            must="there must be at least two classes",
        )
    rarest = spec.class_counts.index(min(spec.class_counts))
    label, count = spec.classes[rarest], spec.class_counts[rarest]
    if count < request.folds and request.deal.split not in _OWN_FOLDS:
        raise request.data_error(
            f"class {label!r} has {count} training row{'s' * (count != 1)}, fewer than the "
            f"{request.folds} folds",
            key="rank.folds",
            must="every fold needs a row of every class",
            remedy=f"set rank.folds: {count}" if count > 1 else "remove that class or add rows",
        )
