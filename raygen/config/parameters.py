"""Which parameters does a space open, with which ranges and conditions?

``{float: [1.0e-4, 1.0e-1], log: true, when: {optimizer: sgd}}`` becomes a ``Parameter``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from raygen.config.domain import Choice, Domain, Float, Int, words_of
from raygen.config.origin import Origin, readable
from raygen.config.section import number
from raygen.config.space import Changes, Condition, Parameter, Prior
from raygen.config.training import TRAINING_SETTINGS, TrainingSetting
from raygen.config.words import did_you_mean, listed, show
from raygen.errors import ConfigError

_KINDS: Mapping[str, tuple[str, ...]] = {
    "float": ("log", "step"),
    "int": ("log", "step"),
    "choice": (),
}
"""The words for a domain, each with the further keys it may have."""

_MORE = ("changes", "when", "prior")
"""Keys that may stand beside every domain."""

_EXAMPLE = "for example `{int: [1, 4]}` or `{choice: [relu, gelu]}`"


def parse_parameters(
    given: object,
    *,
    origin: Origin,
    base: Mapping[str, Parameter] | None = None,
    settings: Mapping[str, TrainingSetting] = TRAINING_SETTINGS,
) -> dict[str, Parameter]:
    """Read the ``parameters`` of a space.

    Args:
        given: Name to range, as read from YAML.
        origin: Its paths start at ``parameters``.
        base: Parameters that the given ones replace; ``changes`` and ``when`` are taken from them
            where not given.
        settings: The training settings whose names bind a parameter to what the setting can be.

    Raises:
        ConfigError: A name, range, option, step or condition is not possible.
    """
    if not isinstance(given, Mapping):
        raise ConfigError(
            f"{show(given)} given",
            where=origin.where("parameters"),
            must="it must be a mapping of names to ranges",
            remedy="for example `width: {int: [16, 64]}`",
        )
    return {
        name: _parse(name, each, origin, (base or {}).get(name), settings.get(name))
        for name, each in given.items()
    }


def in_order(
    parameters: Mapping[str, Parameter], *, where: Callable[[str], str]
) -> tuple[Parameter, ...]:
    """Sort parameters so that the parameter of a condition comes first, else as written.

    Raises:
        ConfigError: Conditions wait for each other.
    """
    waiting, done = dict(parameters), dict[str, Parameter]()
    while waiting:
        ready = [
            name
            for name, each in waiting.items()
            if each.when is None or each.when.parameter in done
        ]
        if not ready:
            name = next(iter(waiting))
            raise ConfigError(
                f"the conditions of {listed(waiting)} wait for each other",
                where=where(f"parameters.{name}.when"),
                must="conditions must not form a circle",
                remedy="remove one `when`",
            )
        done[ready[0]] = waiting.pop(ready[0])
    return tuple(done.values())


def check_condition(
    parameter: Parameter, parameters: Mapping[str, Parameter], *, where: Callable[[str], str]
) -> None:
    """Check that a parameter's condition can hold.

    Raises:
        ConfigError: Its parent is unknown or continuous, or can never have the value.
    """
    if parameter.when is None:
        return
    path, parent = f"parameters.{parameter.name}.when", parameter.when.parameter
    if parent not in parameters:
        raise ConfigError(
            f"the condition names `{parent}`",
            where=where(path),
            must=f"it must be another parameter, one of {listed(parameters)}",
            remedy=did_you_mean(parent, [name for name in parameters if name != parameter.name]),
        )
    domain = parameters[parent].domain
    if domain.size is None:
        raise ConfigError(
            f"`{parent}` is continuous",
            where=where(path),
            must="a condition must be on a choice, an int or a float with a step",
        )
    for value in parameter.when.values:
        if not domain.contains(value):
            raise ConfigError(
                f"`{parent}` can never be {show(value)}",
                where=where(path),
                must=f"it must be {words_of(domain)}",
            )


def used_parents(names: Iterable[str], parameters: Mapping[str, Parameter]) -> set[str]:
    """Add to parameters those on which their conditions depend."""
    used: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in used or name not in parameters:
            continue
        used.add(name)
        condition = parameters[name].when
        waiting += [] if condition is None else [condition.parameter]
    return used


def _parse(
    name: str,
    given: object,
    origin: Origin,
    base: Parameter | None,
    setting: TrainingSetting | None,
) -> Parameter:
    path = f"parameters.{readable(name)}"
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        must = "the name of a parameter must be letters, digits and underscores, as in `$width`"
        raise ConfigError("a name that cannot be used", where=origin.where(path), must=must)
    if not isinstance(given, Mapping):
        given = {"choice": [given]}  # a plain value: the parameter is fixed
    kind = _kind(given, origin, path)
    try:
        domain = _domain(kind, given, setting)
    except ConfigError as error:
        where = origin.where(f"{path}.{kind}")
        told = {"must": error.must, "remedy": error.remedy}
        raise ConfigError(error.problem, where=where, **told) from None
    if setting is not None and setting.whole and isinstance(domain, Float):
        raise ConfigError(
            f"{_shown(domain)} given",
            where=origin.where(f"{path}.{kind}"),
            must=f"a range of {name} must be of whole numbers",
            remedy="write `int:` in place of `float:`",
        )
    if setting is not None and not setting.allows_all(domain):
        where, must = origin.where(f"{path}.{kind}"), f"{name} must be {setting.must}"
        raise ConfigError(f"{_shown(domain)} given", where=where, must=must)
    changes = _changes(name, given, origin, base)
    when, prior = _condition(given, origin, path, base), _prior(given, domain, origin, path)
    return Parameter(name, domain, changes, when, prior)


def _kind(given: Mapping[Any, Any], origin: Origin, path: str) -> str:
    """Find the one word for the domain, and refuse unknown keys beside it."""
    kinds = [kind for kind in _KINDS if kind in given]
    known = (*_KINDS, "log", "step", *_MORE)
    if len(kinds) == 1:
        known = (kinds[0], *_KINDS[kinds[0]], *_MORE)
    for key in given:
        if key not in known:
            raise ConfigError(
                "unknown key",
                where=origin.where(f"{path}.{readable(str(key))}"),
                must=f"it must be one of {listed(known)}",
                remedy=did_you_mean(key, known),
            )
    if len(kinds) != 1:
        raise ConfigError(
            f"{' and '.join(kinds)} given" if kinds else "no range given",
            where=origin.where(path),
            must="exactly one of float, int, choice must be given",
            remedy="" if kinds else _EXAMPLE,
        )
    return kinds[0]


def _domain(kind: str, given: Mapping[str, Any], setting: TrainingSetting | None) -> Domain:
    range_ = given[kind]
    if kind == "choice":
        if not isinstance(range_, (list, tuple)):
            raise ConfigError(f"{show(range_)} given", must="it must be a list of options")
        numeric = setting is not None and not setting.options
        return Choice(tuple(number(item) if numeric else item for item in range_))  # type: ignore[misc]
    if not isinstance(range_, (list, tuple)) or len(range_) != 2:
        example = "[0.0, 0.5]" if kind == "float" else "[1, 4]"
        must = "it must be a list of two numbers, the lowest and the highest value"
        raise ConfigError(f"{show(range_)} given", must=must, remedy=f"for example `{example}`")
    log = given.get("log", False)
    if not isinstance(log, bool):
        raise ConfigError(f"log: {show(log)} given", must="log must be true or false")
    low, high = (number(bound) for bound in range_)
    step: Any = number(given.get("step"))
    if kind == "int":
        return Int(low, high, log, 1 if step is None else step)  # type: ignore[arg-type]
    return Float(low, high, log, step)  # type: ignore[arg-type]


def _shown(domain: Domain) -> str:
    return show(domain.options if isinstance(domain, Choice) else [domain.low, domain.high])


def _changes(
    name: str, given: Mapping[str, Any], origin: Origin, base: Parameter | None
) -> Changes:
    usual: Changes = "training" if name in {*TRAINING_SETTINGS, "dropout"} else "architecture"
    match given.get("changes", usual if base is None else base.changes):
        case "architecture":
            return "architecture"
        case "training":
            return "training"
        case other:
            raise ConfigError(
                f"{show(other)} given",
                where=origin.where(f"parameters.{name}.changes"),
                must="it must be one of architecture, training",
                remedy=did_you_mean(other, ("architecture", "training")),
            )


def _condition(
    given: Mapping[str, Any], origin: Origin, path: str, base: Parameter | None
) -> Condition | None:
    if "when" not in given:
        return None if base is None else base.when
    match given["when"]:
        case None:
            return None
        case dict() as when if len(when) == 1:
            ((parent, value),) = when.items()
            values = tuple(value) if isinstance(value, (list, tuple)) else (value,)
            if values and all(_is_value(each) for each in values):
                return Condition(parent, values)
            problem = f"{parent}: {show(value)} given"
        case other:
            problem = f"{show(other)} given"
    must = "it must be one parameter with the value or the values at which this one is active"
    raise ConfigError(
        problem,
        where=origin.where(f"{path}.when"),
        must=must,
        remedy="for example `{optimizer: sgd}`",
    )


def _prior(given: Mapping[str, Any], domain: Domain, origin: Origin, path: str) -> Prior | None:
    """Read ``prior: {at: 1e-3, confidence: high}``, or the value alone."""
    written = given.get("prior")
    if written is None:
        return None
    where = origin.where(f"{path}.prior")
    fields = dict(written) if isinstance(written, Mapping) else {"at": written}
    at, confidence = number(fields.pop("at", None)), fields.pop("confidence", "medium")
    if fields or at is None:
        problem = f"{show(next(iter(fields)))} given" if fields else "no `at` given"
        must = "a prior must have `at`, the expected best value, and may have `confidence`"
        raise ConfigError(problem, where=where, must=must, remedy="for example `prior: {at: 0.1}`")
    if isinstance(domain, Float) and isinstance(at, int) and not isinstance(at, bool):
        at = float(at)
    if not domain.contains(at):
        must = f"it must be {words_of(domain)}"
        raise ConfigError(f"at: {show(at)} given", where=where, must=must)
    match confidence:
        case "low" | "medium" | "high":
            return Prior(at, confidence)  # type: ignore[arg-type]  # contains() has seen to it
        case other:
            must = "confidence must be one of low, medium, high"
            remedy = did_you_mean(other, ("low", "medium", "high"))
            raise ConfigError(f"{show(other)} given", where=where, must=must, remedy=remedy)


def _is_value(value: object) -> bool:
    return isinstance(value, (bool, int, float, str))
