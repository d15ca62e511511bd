"""A ConfigSpace JSON file as the parameters of a RayGen space, and the other way round.

Format 0.4, which ConfigSpace 1.2 writes and reads; the package itself is not needed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from raygen.config.domain import Choice, Domain, Float, Int, Value
from raygen.config.origin import Origin
from raygen.config.parameters import check_condition, in_order, parse_parameters
from raygen.config.space import Condition, Parameter, Space
from raygen.errors import ConfigError
from raygen.interchange.conditions import conditions_of

_FORMAT = 0.4


def space_from_configspace(path: str | Path) -> str:
    """Read a ConfigSpace file; defaults of its parameters are left out, as RayGen has none.

    Conditions on several parents are kept where one parent implies the others; those with ``!=``,
    ``<`` and ``>`` become lists of the parent's values.

    Returns:
        YAML text: the mapping that stands below ``parameters:``, with that key.

    Raises:
        ConfigError: It is no such file, or holds what RayGen cannot represent: a distribution that
            is not uniform, a forbidden clause, a condition on a continuous parent or on parents of
            which none implies the others.
    """
    where = str(path)
    stored = _read(path)
    entries = {each["name"]: _entry(each, where) for each in stored["hyperparameters"]}
    if stored.get("forbiddens"):
        raise ConfigError(
            f"{len(stored['forbiddens'])} forbidden clauses found",
            where=where,
            must="a RayGen space has none",
            remedy="remove them, and write them as search.constraints",
        )
    parameters = parse_parameters(entries, origin=Origin(where), settings={})
    domains = {name: each.domain for name, each in parameters.items()}
    conditions = conditions_of(stored.get("conditions") or (), domains, where=where)
    parameters = {
        name: Parameter(name, each.domain, each.changes, conditions.get(name), each.prior)
        for name, each in parameters.items()
    }
    for each in parameters.values():
        check_condition(each, parameters, where=Origin(where).where)
    ordered = in_order(parameters, where=Origin(where).where)
    written = {each.name: entries[each.name] | _when(each.when) for each in ordered}
    text: str = yaml.safe_dump(
        {"parameters": written}, sort_keys=False, default_flow_style=None, width=100
    )
    return text


def space_to_configspace(space: Space) -> str:
    """Write a space as ConfigSpace JSON; steps become ordinals.

    What ConfigSpace has no word for (steps, what a parameter changes, priors) stands in ``meta``,
    from where ``space_from_configspace`` takes it back. Layers are no part of it.

    Returns:
        JSON text.
    """
    conditions = [_condition(each.name, each.when) for each in space.parameters if each.when]
    stored = {
        "name": space.name,
        "hyperparameters": [_hyperparameter(each) for each in space.parameters],
        "conditions": conditions,
        "forbiddens": [],
        "python_module_version": "1.2.2",
        "format_version": _FORMAT,
    }
    return json.dumps(stored, indent=2)


def _read(path: str | Path) -> dict[str, Any]:
    try:
        stored = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError:
        raise ConfigError("no such file", where=str(path)) from None
    except ValueError as error:
        raise ConfigError(f"not JSON: {error}", where=str(path)) from None
    if not isinstance(stored, dict) or not isinstance(stored.get("hyperparameters"), list):
        must = "it must be what ConfigurationSpace.to_json writes"
        raise ConfigError("no list of hyperparameters found", where=str(path), must=must)
    return stored


def _entry(stored: Mapping[str, Any], where: str) -> dict[str, Any]:
    """One hyperparameter as an entry of the YAML."""
    own = (stored.get("meta") or {}).get("raygen")
    if own:
        return dict(own)
    name = stored["name"]
    problem = f"{name} is of the type {stored['type']}"
    if stored.get("q"):
        problem = f"{name} has the quantization {stored['q']}"
    elif stored["type"] == "categorical" and len(set(stored.get("weights") or ())) > 1:
        problem = f"{name} has weights {stored['weights']}"
    else:
        match stored["type"]:
            case "categorical":
                return {"choice": list(stored["choices"])}
            case "ordinal":
                return {"choice": list(stored["sequence"])}
            case "constant":
                return {"choice": [stored["value"]]}
            case "uniform_float" | "uniform_int":
                kind = "float" if stored["type"] == "uniform_float" else "int"
                log = {"log": True} if stored.get("log") else {}
                return {kind: [stored["lower"], stored["upper"]], **log}
    raise ConfigError(
        problem,
        where=where,
        must="it must be uniform without steps, categorical without weights, ordinal or constant",
        remedy="for a normal distribution write a uniform range with `prior: {at: MU}`",
    )


def _hyperparameter(parameter: Parameter) -> dict[str, Any]:
    domain, default = parameter.domain, _default(parameter)
    common: dict[str, Any] = {"name": parameter.name, "meta": {"raygen": _written(parameter)}}
    if domain.size == 1:
        return {"type": "constant", "value": default, **common}
    common["default_value"] = default
    if isinstance(domain, Choice):
        return {"type": "categorical", "choices": domain.options, "weights": None, **common}
    if domain.step not in (None, 1) or (isinstance(domain, Float) and domain.step):
        return {"type": "ordinal", "sequence": domain.grid(2), **common}
    kind = "uniform_int" if isinstance(domain, Int) else "uniform_float"
    range_ = {"lower": domain.low, "upper": domain.high, "log": domain.log}
    return {"type": kind, **range_, **common}


def _default(parameter: Parameter) -> Value:
    """The prior's value, or the middle as ConfigSpace itself takes it."""
    domain = parameter.domain
    if parameter.prior is not None:
        return parameter.prior.at
    if isinstance(domain, Choice):
        return domain.options[0]
    if domain.size == 1:
        return domain.low
    if domain.step not in (None, 1) or (isinstance(domain, Float) and domain.step):
        return domain.grid(2)[0]
    middle = (domain.low + domain.high) / 2
    if domain.log:
        middle = math.sqrt(domain.low * domain.high)
    return round(middle) if isinstance(domain, Int) else middle


def _written(parameter: Parameter) -> dict[str, Any]:
    """The entry of the YAML, without its condition."""
    entry = _range(parameter.domain) | {"changes": parameter.changes}
    if parameter.prior is not None:
        prior = {"at": parameter.prior.at, "confidence": parameter.prior.confidence}
        entry["prior"] = prior
    return entry


def _range(domain: Domain) -> dict[str, Any]:
    if isinstance(domain, Choice):
        return {"choice": list(domain.options)}
    kind = "float" if isinstance(domain, Float) else "int"
    entry: dict[str, Any] = {kind: [domain.low, domain.high]}
    if domain.log:
        entry["log"] = True
    if domain.step not in (None, 1) or (isinstance(domain, Float) and domain.step):
        entry["step"] = domain.step
    return entry


def _when(condition: Condition | None) -> dict[str, Any]:
    if condition is None:
        return {}
    one = len(condition.values) == 1
    return {"when": {condition.parameter: condition.values[0] if one else list(condition.values)}}


def _condition(child: str, condition: Condition) -> dict[str, Any]:
    of = {"child": child, "parent": condition.parameter}
    if len(condition.values) == 1:
        return {"type": "EQ", **of, "value": condition.values[0]}
    return {"type": "IN", **of, "values": list(condition.values)}
