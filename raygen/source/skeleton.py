"""How does a skeleton become a program: its regions replaced, its imports completed?"""

from __future__ import annotations

import ast
import itertools
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from raygen.fragments import Fragment, begun, imports_of, merge_imports, read_text

_REGION = re.compile(r"^( *)# region (\w+)\n(.*?)^\1# endregion\n", re.DOTALL | re.MULTILINE)


def fill(
    program: str,
    regions: Mapping[str, str],
    *,
    title: str,
    used: Sequence[str],
    instead: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The text of a skeleton with its regions replaced.

    Args:
        program: Dotted name of the skeleton.
        regions: Name of each of its regions to the lines that take their place.
        title: The first line of the docstring.
        used: Dotted names of the fragments whose functions stand in the regions.
        instead: Import statements of the skeleton, and those that take their place.
    """
    text = read_text(program)
    tree = ast.parse(text)
    lines = [line for name in used for line in Fragment.read(name).imports]
    own = "\n".join(instead.get(line, line) for line in imports_of(tree)).split("\n")
    imports = merge_imports([*filter(None, own), *lines])
    environment, body = _around_imports(text, tree)
    if environment:
        imports = imports.replace("\n\n", f"\n\n{environment}\n\n", 1)
    body = fill_regions(body, regions)
    docstring = ast.get_docstring(tree, clean=False)
    assert docstring is not None
    usage = docstring.split("\n", 1)[1]
    head = f'"""{title}\n{usage}"""\n\nfrom __future__ import annotations\n\n{imports}\n'
    return re.sub(r"\n{4,}", "\n\n\n", head + body)


def fill_regions(text: str, regions: Mapping[str, str]) -> str:
    """A text with the lines of its regions replaced, by their names."""
    return _REGION.sub(lambda found: _indented(regions[found[2]], found[1]), text)


def region_texts(text: str) -> dict[str, str]:
    """The lines of each region of a text, by its name, without their indentation."""
    return {found[2]: textwrap.dedent(found[3]) for found in _REGION.finditer(text)}


def functions(
    *modules: str,
    only: Callable[[str], bool] = lambda _: True,
    begins: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The text of the functions of fragments, some of which begin with a further line."""
    texts = [
        text
        for module in modules
        for name, text in begun(Fragment.read(module), begins).items()
        if only(name)
    ]
    return "\n\n\n".join(texts)


def harmless(name: str) -> str:
    """A name free of anything that could end the docstring it stands in."""
    return re.sub(r"[^\w .,+-]", "_", name)


def _indented(text: str, indent: str) -> str:
    return "".join(f"{indent}{line}\n" if line else "\n" for line in text.splitlines())


def _around_imports(text: str, tree: ast.Module) -> tuple[str, str]:
    """What stands between the imports, such as ``os.environ[...] = ...``, and what follows them."""
    lines = text.splitlines(keepends=True)
    nodes = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    gaps = ["".join(lines[a.end_lineno : b.lineno - 1]) for a, b in itertools.pairwise(nodes)]
    return "".join(gaps).strip(), "".join(lines[nodes[-1].end_lineno :])
