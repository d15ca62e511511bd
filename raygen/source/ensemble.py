"""How do several programs become one, whose networks predict together?"""

from __future__ import annotations

import ast
import itertools
import re
import textwrap
from collections.abc import Callable, Sequence

from raygen.fragments import merge_imports, read_text
from raygen.source.definitions import Definition, definitions_of
from raygen.source.skeleton import fill_regions, harmless, region_texts

SKELETON = "raygen.source.skeletons.ensemble_program"
_WIDTH = 100
_OF_ONE = ("main", "merge")
"""Functions that only a program of one network has."""
_FIELDS = (
    "build_model",
    "build_optimizer",
    "train",
    "preprocess",
    "to_inputs",
    "predict",
    "save",
    "load",
)
_BAGGED = {
    "train all members, score": "train without each fold, score",
    "python ensemble.py --bag            the same, each member once without each fold: all are "
    "averaged\n": "",
    "k-fold cross-validation": "k-fold cross-validation of the network alone",
}
"""What the usage says where one network is trained once without each fold."""


def ensemble_program(
    members: Sequence[tuple[str, str, int]], *, name: str, bag: bool = False
) -> str:
    """Write the program of an ensemble.

    What all members have in common stands there once, word for word; of what differs, and of what
    uses it, each has its own, with its number behind the name.

    Args:
        members: The trial, the text of its program, and how often it is counted, of each.
        name: Of the experiment.
        bag: Whether the only member is trained once without each fold, and never on all rows.
    """
    programs = [definitions_of(text) for _, text, _ in members]
    own = _names_apart(programs)
    parts = _merged(programs, own)
    first = {name: each.text for each in programs[0] for name in each.names}
    fields = [each for each in _FIELDS if each in first]
    skeleton = read_text(SKELETON)
    known = region_texts(skeleton)
    regions = known | {
        "fields": "\n".join(
            line for line in known["fields"].splitlines() if line.partition(":")[0] in fields
        ),
        "members": _members([(trial, count) for trial, _, count in members], fields, own),
        "score": _score(first["evaluate"]),
        "place": f"model = member.build_model(){'.to(DEVICE)' if 'DEVICE' in first else ''}",
        "processes": _statement(first["main"], _begins_processes),
        "loading": _statement(first["main"], _loads),
    }
    regions |= {} if "preprocess" in first else {"inputs": ""}
    regions |= {"bag": "parser.set_defaults(bag=True)"} if bag else {}
    body = "\n\n\n".join([*parts, fill_regions(_body(skeleton), regions).strip()]) + "\n"
    many = f"{len(members)} networks" if len(members) > 1 else "one network"
    many = "one network trained without each fold," if bag else many
    title = f"Ensemble, {harmless(name)}: the mean of {many} found by RayGen."
    usage = (ast.get_docstring(ast.parse(skeleton), clean=False) or "").split("\n", 1)[1]
    for old, new in _BAGGED.items() if bag else ():
        usage = usage.replace(old, new)
    head = f'"""{title}\n{usage}"""\n\nfrom __future__ import annotations\n\n'
    return head + _imports([text for _, text, _ in members], skeleton, body) + "\n\n" + body


def _names_apart(programs: Sequence[Sequence[Definition]]) -> frozenset[str]:
    """The names whose definitions are not the same in all programs, or use one that is not."""
    tables = [{each.key: each for each in program} for program in programs]
    keys = {key for table in tables for key in table}
    apart = {key for key in keys if len({getattr(t.get(key), "text", "") for t in tables}) > 1}
    while True:
        names = {name for key in apart for table in tables for name in _named(table.get(key))}
        more = {k for k in keys - apart if any(t[k].uses & names for t in tables if k in t)}
        if not more:
            return frozenset(names - {*_OF_ONE})
        apart |= more


def _named(definition: Definition | None) -> tuple[str, ...]:
    return definition.names if definition is not None else ()


def _merged(programs: Sequence[Sequence[Definition]], own: frozenset[str]) -> list[str]:
    """The text of each definition, in the order of the programs; of some one for each member."""
    tables = [{each.key: each for each in program} for program in programs]
    blocks: list[str] = []
    lines: list[str] = []
    for key in _in_order(programs):
        if key[0] in _OF_ONE:
            continue
        there = [(number, table[key]) for number, table in enumerate(tables) if key in table]
        if set(key) & own or there[0][1].uses & own:
            texts = [each.renamed(own, f"_{number}") for number, each in there]
        else:
            texts = [there[0][1].text]
        if there[0][1].is_function:
            blocks += texts
        else:  # constants and what is done at once stand before all functions
            lines += texts
    return ["\n".join(lines), *blocks]


def _in_order(programs: Sequence[Sequence[Definition]]) -> list[tuple[str, ...]]:
    """Each key once; what the first programs lack stands behind what it stood behind."""
    order: list[tuple[str, ...]] = []
    for program in programs:
        keys = [each.key for each in program]
        for before, key in itertools.pairwise([(), *keys]):
            if key not in order:
                order.insert(order.index(before) + 1 if before in order else 0, key)
    return order


def _members(members: Sequence[tuple[str, int]], fields: Sequence[str], own: frozenset[str]) -> str:
    lines = []
    for number, (trial, count) in enumerate(members):
        words = ", ".join(f"{each}_{number}" if each in own else each for each in fields)
        line = f"    Member({count}, {words}),"
        if len(line) > _WIDTH:
            line = f"    Member(\n        {count}, {words}\n    ),"
        lines += [f"    # trial {trial}", line]
    return "\n".join(["MEMBERS = [", *lines, "]"])


def _score(evaluate: str) -> str:
    """What ``evaluate`` returns of its predictions, which are called p."""
    [function] = ast.parse(evaluate).body
    assert isinstance(function, ast.FunctionDef)
    found = ast.get_source_segment(evaluate, function.body[-1])
    assert found is not None
    return found.replace("predict(model, inputs, statistics)", "p")


def _statement(main: str, wanted: Callable[[ast.stmt], bool]) -> str:
    """The first such statement of a function, on lines of its own; nothing if there is none."""
    [function] = ast.parse(main).body
    assert isinstance(function, ast.FunctionDef)
    found = next((node for node in function.body if wanted(node)), None)
    if found is None:
        return ""
    return textwrap.dedent("\n".join(main.splitlines()[found.lineno - 1 : found.end_lineno]))


def _begins_processes(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "init_process_group" in ast.unparse(node)


def _loads(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and "y_test" in ast.unparse(node.targets[0])


def _imports(programs: Sequence[str], skeleton: str, body: str) -> str:
    """Those of all that the body uses, with what the first program does between its own."""
    lines, first = [], ast.parse(programs[0])
    used = {node.id for node in ast.walk(ast.parse(body)) if isinstance(node, ast.Name)}
    for text in (*programs, skeleton):
        for node in ast.parse(text).body:
            if isinstance(node, ast.ImportFrom) and re.match("raygen|__future__", str(node.module)):
                continue
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                node.names = [each for each in node.names if _bound(each) in used]
                lines += [ast.unparse(node)] if node.names else []
    merged = merge_imports(dict.fromkeys(lines))
    last = max(n.lineno for n in first.body if isinstance(n, (ast.Import, ast.ImportFrom)))
    between = [
        ast.get_source_segment(programs[0], node) or ""
        for node in first.body[1:]
        if node.lineno < last and not isinstance(node, (ast.Import, ast.ImportFrom))
    ]
    environment = "\n".join(between)
    return merged.replace("\n\n", f"\n\n{environment}\n\n", 1) if environment else merged


def _bound(alias: ast.alias) -> str:
    """The name that an import gives."""
    return (alias.asname or alias.name).partition(".")[0]


def _body(skeleton: str) -> str:
    tree, lines = ast.parse(skeleton), skeleton.splitlines()
    last = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))][-1]
    return "\n".join(lines[last.end_lineno :]) + "\n"
