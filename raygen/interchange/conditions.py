"""Which conditions of ConfigSpace are one parent and a list of its values, as RayGen has them?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from raygen.config.domain import Choice, Domain, Float, Value, same
from raygen.config.space import Condition
from raygen.errors import ConfigError

_MOST_VALUES = 1000
"""Values of a parent up to which ``<`` and ``!=`` are written out."""

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "EQ": same,
    "IN": lambda value, asked: any(same(value, each) for each in asked),
    "NEQ": lambda value, asked: not same(value, asked),
    "LT": lambda value, asked: bool(value < asked),
    "GT": lambda value, asked: bool(value > asked),
}
"""The types of conditions on a single parent."""

_Asked = dict[str, tuple[Value, ...]]
"""Parents and the values that are asked of each, all at once."""


def conditions_of(
    stored: Iterable[Mapping[str, Any]], domains: Mapping[str, Domain], *, where: str
) -> dict[str, Condition]:
    """Give each child its one condition.

    Several parents are one where a parent is itself active only under what is asked of the others.

    Args:
        stored: Conditions as ConfigSpace writes them.
        domains: Of all parameters.
        where: The file, for errors.

    Raises:
        ConfigError: A condition cannot be written so.
    """
    asked: dict[str, _Asked] = {}
    for each in stored:
        found = _asked(each, domains, where)
        asked[each["child"]] = _both(asked.get(each["child"], {}), found)
    return {child: _condition(child, asked, domains, where) for child in asked}


def _asked(stored: Mapping[str, Any], domains: Mapping[str, Domain], where: str) -> _Asked:
    kind = stored["type"]
    if kind == "AND":
        together: _Asked = {}
        for each in stored["conditions"]:
            together = _both(together, _asked(each, domains, where))
        return together
    if kind == "OR":
        return _either([_asked(each, domains, where) for each in stored["conditions"]], where)
    if kind not in _COMPARISONS:
        raise _refusal(stored, f"a condition of the type {kind}", where)
    parent = stored["parent"]
    asked = stored["values"] if kind == "IN" else stored["value"]
    holds = _COMPARISONS[kind]
    return {parent: tuple(v for v in _values(stored, domains[parent], where) if holds(v, asked))}


def _values(stored: Mapping[str, Any], domain: Domain, where: str) -> tuple[Value, ...]:
    if domain.size is None or domain.size > _MOST_VALUES:
        raise _refusal(stored, f"a condition on {stored['parent']}, which is continuous", where)
    if isinstance(domain, (Choice, Float)):
        return domain.grid(2)
    return tuple(range(domain.low, domain.high + 1, domain.step))


def _both(one: _Asked, other: _Asked) -> _Asked:
    together = dict(one)
    for parent, values in other.items():
        known = together.get(parent, values)
        together[parent] = tuple(v for v in values if any(same(v, each) for each in known))
    return together


def _either(alternatives: list[_Asked], where: str) -> _Asked:
    parents = {parent for each in alternatives for parent in each}
    if len(parents) != 1:
        must = "alternatives must be on one parent"
        raise ConfigError(f"an OR over {', '.join(sorted(parents))}", where=where, must=must)
    (parent,) = parents
    values = [value for each in alternatives for value in each[parent]]
    return {
        parent: tuple(v for i, v in enumerate(values) if not any(same(v, w) for w in values[:i]))
    }


def _condition(
    child: str, asked: Mapping[str, _Asked], domains: Mapping[str, Domain], where: str
) -> Condition:
    """The one parent that implies what is asked of the others."""
    for parent, values in asked[child].items():
        others = {name: of for name, of in asked[child].items() if name != parent}
        if values and all(
            _implies(parent, name, of, asked, domains) for name, of in others.items()
        ):
            return Condition(parent, values)
    parents = ", ".join(asked[child])
    raise ConfigError(
        f"the condition of {child} on {parents}",
        where=where,
        must="it must be possible, and one parent must be active only where the others allow it",
        remedy=f"make {child} depend on one parameter, and that on the other",
    )


def _implies(
    parent: str,
    other: str,
    values: tuple[Value, ...],
    asked: Mapping[str, _Asked],
    domains: Mapping[str, Domain],
) -> bool:
    """Tell whether a parameter that is active has another at one of some values."""
    for above, needed in asked.get(parent, {}).items():
        if above == other and all(any(same(v, w) for w in values) for v in needed):
            return True
        if above != other and _implies(above, other, values, asked, domains):
            return True
    return False


def _refusal(stored: Mapping[str, Any], problem: str, where: str) -> ConfigError:
    must = "a condition must be on values of a choice, an int or an ordinal"
    return ConfigError(f"{stored['child']}: {problem}", where=where, must=must)
