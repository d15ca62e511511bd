"""How do several programs become one, whose networks predict together?"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Sequence

from raygen.fragments import merge_imports, read_text
from raygen.source.definitions import Definition, definitions_of
from raygen.source.skeleton import fill_regions, harmless

SKELETON = "raygen.source.skeletons.ensemble_program"
_WIDTH = 100
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


def ensemble_program(members: Sequence[tuple[str, str, int]], *, name: str) -> str:
    """Write the program of an ensemble.

    What all members have in common stands there once, word for word; of what differs, and of what
    uses it, each has its own, with its number behind the name.

    Args:
        members: The trial, the text of its program, and how often it is counted, of each.
        name: Of the experiment.
    """
    programs = [definitions_of(text) for _, text, _ in members]
    own = _names_apart(programs)
    parts = _merged(programs, own)
    many = f"{len(members)} networks" if len(members) > 1 else "one network"
    title = f"Ensemble, {harmless(name)}: the mean of {many} found by RayGen."
    regions = {
        "members": _members([(trial, count) for trial, _, count in members], own),
        "score": _score(programs[0]),
        "place": "model = member.build_model()" + _place(programs[0]),
    }
    skeleton = read_text(SKELETON)
    usage = (ast.get_docstring(ast.parse(skeleton), clean=False) or "").split("\n", 1)[1]
    head = f'"""{title}\n{usage}"""\n\nfrom __future__ import annotations\n\n'
    imports = _imports([text for _, text, _ in members], skeleton)
    body = fill_regions(_body(skeleton), regions)
    return head + imports + "\n\n" + "\n\n\n".join([*parts, body.strip()]) + "\n"


def _names_apart(programs: Sequence[Sequence[Definition]]) -> frozenset[str]:
    """The names whose definitions are not the same in all programs, or use one that is not."""
    tables = [{each.key: each for each in program} for program in programs]
    keys = {key for table in tables for key in table}
    apart = {key for key in keys if len({getattr(t.get(key), "text", "") for t in tables}) > 1}
    while True:
        names = {name for key in apart for table in tables for name in _named(table.get(key))}
        more = {k for k in keys - apart if any(t[k].uses & names for t in tables if k in t)}
        if not more:
            return frozenset(names - {"main"})
        apart |= more


def _named(definition: Definition | None) -> tuple[str, ...]:
    return definition.names if definition is not None else ()


def _merged(programs: Sequence[Sequence[Definition]], own: frozenset[str]) -> list[str]:
    """The text of each definition, in the order of the programs; of some one for each member."""
    tables = [{each.key: each for each in program} for program in programs]
    blocks: list[str] = []
    lines: list[str] = []
    for key in _in_order(programs):
        if key == ("main",):
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


def _members(members: Sequence[tuple[str, int]], own: frozenset[str]) -> str:
    lines = []
    for number, (trial, count) in enumerate(members):
        words = ", ".join(f"{each}_{number}" if each in own else each for each in _FIELDS)
        line = f"    Member({count}, {words}),"
        if len(line) > _WIDTH:
            line = f"    Member(\n        {count}, {words}\n    ),"
        lines += [f"    # trial {trial}", line]
    return "\n".join(["MEMBERS = [", *lines, "]"])


def _score(program: Sequence[Definition]) -> str:
    """What ``evaluate`` returns of its predictions."""
    [text] = [each.text for each in program if each.names == ("evaluate",)]
    [function] = ast.parse(text).body
    assert isinstance(function, ast.FunctionDef)
    found = ast.get_source_segment(text, function.body[-1])
    assert found is not None
    return found


def _place(program: Sequence[Definition]) -> str:
    """What puts a network where it is trained."""
    return ".to(DEVICE)" if any("DEVICE" in each.names for each in program) else ""


def _imports(programs: Sequence[str], skeleton: str) -> str:
    """Those of all, with what the first program does between its own."""
    lines, first = [], ast.parse(programs[0])
    for text in (*programs, skeleton):
        for node in ast.parse(text).body:
            inner = isinstance(node, ast.ImportFrom) and (node.module or "").startswith("raygen")
            future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
            if isinstance(node, (ast.Import, ast.ImportFrom)) and not inner and not future:
                lines.append(ast.unparse(node))
    merged = merge_imports(dict.fromkeys(lines))
    last = max(n.lineno for n in first.body if isinstance(n, (ast.Import, ast.ImportFrom)))
    between = [
        ast.get_source_segment(programs[0], node) or ""
        for node in first.body[1:]
        if node.lineno < last and not isinstance(node, (ast.Import, ast.ImportFrom))
    ]
    environment = "\n".join(between)
    return merged.replace("\n\n", f"\n\n{environment}\n\n", 1) if environment else merged


def _body(skeleton: str) -> str:
    tree, lines = ast.parse(skeleton), skeleton.splitlines()
    last = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))][-1]
    return "\n".join(lines[last.end_lineno :]) + "\n"
