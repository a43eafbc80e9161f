"""Which room can import which, checked on every import: dependencies point one way, without cycles."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
TOP = ("demo", "dev", "mace_erase", "nodes", "mini", "mace_core")

# room -> the rooms it can import besides itself. Folders are rooms, and so are the files of mace_core itself.
MAY_IMPORT = {
    "mace_core.version": set(),
    "mace_core.files": set(),
    "mace_core.concepts": {"mace_core.files"},
    "mace_core.encoder": {"mace_core.files", "mace_core.concepts"},
    "mace_core.refinement": {"mace_core.files", "mace_core.concepts", "mace_core.encoder"},
    "mace_core.training": {
        "mace_core.version",
        "mace_core.files",
        "mace_core.concepts",
        "mace_core.encoder",
        "mace_core.refinement",
    },
    "mace_core.erasure": {
        "mace_core.version",
        "mace_core.files",
        "mace_core.concepts",
        "mace_core.encoder",
        "mace_core.refinement",
        "mace_core.training",
    },
    "mace_core.presets": {
        "mace_core.files",
        "mace_core.concepts",
        "mace_core.refinement",
        "mace_core.training",
        "mace_core.erasure",
    },
    "mace_core.evaluation": {"mace_core.files", "mace_core.concepts", "mace_core.encoder"},
    "mace_core.attacks": {
        "mace_core.files",
        "mace_core.concepts",
        "mace_core.evaluation",
        "mace_core.training",
    },
    "mini": {"mace_core"},
    "nodes.host": {"mace_core", "mini"},
    "nodes.cluster": {"mace_core", "mini", "nodes.host"},
    "nodes.work": {"mace_core", "mini", "nodes.host", "nodes.cluster"},
    "nodes.reports": {"mace_core", "nodes.host", "nodes.work"},
    "nodes": {"mace_core", "mini", "nodes.host", "nodes.work", "nodes.reports"},
    # As modules of the running host: test_house_rules.py refuses import statements, which would make copies.
    "mace_erase": {"mace_core", "mini"},
    "dev.host": {"mace_core", "mace_erase"},
    "dev.workflows": {"dev.host"},
    "dev.package": {"dev.host", "dev.workflows"},
    "dev.bench": {"mace_core", "mini", "dev.host", "dev.workflows"},
    "dev.faults": {"mace_core", "mini", "dev.host"},
    "dev.fullsize": {"mace_core", "dev.host", "dev.bench"},
    "dev.speed.plain": set(),  # equations, not the pack
    "dev.speed": {
        "mace_core",
        "mini",
        "mace_erase",
        "dev.host",
        "dev.bench",
        "dev.fullsize",
        "dev.speed.plain",
    },
    "dev.miniature": {"mace_core", "mini", "dev.host", "dev.bench"},
    "dev.scale": {"mace_core", "mini", "dev.host", "dev.fullsize"},
    "dev.mass": {"mace_core", "mini", "dev.host", "dev.bench", "dev.fullsize"},
    "dev.results": {"mace_core", "mini", "dev.host", "dev.bench", "dev.mass", "dev.miniature"},
    "dev": {"mace_core", "dev.host"},
    "demo": {"mace_core", "mini", "mace_erase", "dev.host", "dev.workflows", "dev.bench"},
}


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


FILES = {name_of(path): path for top in TOP for path in sorted((REPOSITORY / top).rglob("*.py"))}


def room_of(module: str) -> str:
    """The innermost room that contains a module."""
    parts = module.split(".")
    return next(
        name
        for name in (".".join(parts[:length]) for length in range(len(parts), 0, -1))
        if name in MAY_IMPORT or name == "mace_core"
    )


def imported(module: str) -> Iterator[str]:
    """The modules of this repository that a module imports, at module level or inside a function."""
    path = FILES[module]
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            yield from {
                f"{base}.{each.name}" if f"{base}.{each.name}" in FILES else base for each in node.names
            } & FILES.keys()
        elif isinstance(node, ast.Import):
            yield from {each.name for each in node.names} & FILES.keys()


@pytest.mark.parametrize("module", FILES)
def test_arrows_run_one_way(module):
    room = room_of(module)
    if room == "mace_core":  # contains only its docstring
        assert not list(imported(module))
        return
    allowed = {room, *MAY_IMPORT[room]}
    for other in imported(module):
        theirs = room_of(other)
        assert theirs in allowed or theirs.split(".")[0] in allowed - {room}, f"{module} -> {other}"


@pytest.mark.parametrize("graph", ["rooms", "files"])
def test_there_is_no_circle(graph):
    if graph == "rooms":
        arrows = {
            room: {each for each in MAY_IMPORT if each in allowed or each.split(".")[0] in allowed} - {room}
            for room, allowed in MAY_IMPORT.items()
        }
    else:
        arrows = {module: set(imported(module)) - {module} for module in FILES}
    while ends := {each for each, others in arrows.items() if not others & arrows.keys()}:
        arrows = {each: others for each, others in arrows.items() if each not in ends}
    assert not arrows


def test_no_room_is_forgotten():
    assert {room_of(module) for module in FILES} - {"mace_core"} <= MAY_IMPORT.keys()
    folders = {name for name in MAY_IMPORT if (REPOSITORY / name.replace(".", "/")).is_dir()}
    files = {name for name in MAY_IMPORT if (REPOSITORY / f"{name.replace('.', '/')}.py").is_file()}
    assert folders | files == MAY_IMPORT.keys()
