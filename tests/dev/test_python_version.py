"""The pack uses no syntax and no name that is newer than the Python that pyproject.toml promises."""

import ast
import tomllib

import pytest

NEWER = {  # since 3.11, 3.12, 3.13 and 3.14, of the modules that such a pack may use
    "asyncio": "Barrier Runner TaskGroup timeout timeout_at",
    "builtins": "BaseExceptionGroup ExceptionGroup PythonFinalizationError",
    "concurrent.futures": "InterpreterPoolExecutor",
    "contextlib": "chdir",
    "copy": "replace",
    "datetime": "UTC",
    "enum": "EnumCheck FlagBoundary ReprEnum StrEnum global_enum member nonmember property verify EnumDict",
    "fnmatch": "filterfalse",
    "functools": "Placeholder",
    "hashlib": "file_digest",
    "inspect": "BufferFlags getasyncgenlocals getasyncgenstate getmembers_static markcoroutinefunction",
    "itertools": "batched",
    "logging": "getHandlerByName getHandlerNames getLevelNamesMapping",
    "math": "cbrt exp2 fma sumprod",
    "operator": "call is_none is_not_none",
    "os": "process_cpu_count listdrives",
    "os.path": "isdevdrive isjunction splitroot isreserved",
    "pathlib": "UnsupportedOperation types",
    "random": "binomialvariate",
    "re": "NOFLAG PatternError",
    "sys": "activate_stack_trampoline exception monitoring",
    "types": "CapsuleType get_original_bases",
    "typing": "LiteralString Never NoDefault NotRequired ReadOnly Required Self TypeAliasType TypeIs "
    "TypeVarTuple Unpack assert_never assert_type clear_overloads dataclass_transform evaluate_forward_ref "
    "get_overloads get_protocol_members is_protocol override reveal_type",
    "warnings": "deprecated",
}
NEWER_MODULES = {"annotationlib", "compression", "concurrent.interpreters", "string.templatelib", "tomllib"}
NEWER_METHODS = {"add_note", "walk_up", "full_match", "is_junction", "copy_into", "move_into"}


def oldest(repository) -> tuple[int, int]:
    """The version in pyproject.toml."""
    promised = tomllib.loads((repository / "pyproject.toml").read_text())["project"]["requires-python"]
    return tuple(map(int, promised.removeprefix(">=").split(".")))


def shipped(repository) -> list:
    rooms = ("mace_core", "nodes", "mini", "mace_erase")
    return [
        repository / "__init__.py",
        *(path for room in rooms for path in (repository / room).rglob("*.py")),
    ]


def newer_names(source: str, version: tuple[int, int]) -> list[str]:
    """The names in a source that are newer than Python 3.10, each with its line."""
    tree = ast.parse(source, feature_version=version)
    modules: dict[str, str] = {}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {each.asname or each.name.split(".")[0]: each.name for each in node.names}
            found += [(node, each.name) for each in node.names if each.name in NEWER_MODULES]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            newer = NEWER.get(node.module, "").split()
            found += [(node, each.name) for each in node.names if each.name in newer]
            found += [(node, node.module)] if node.module in NEWER_MODULES else []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            module = modules.get(ast.unparse(node.value), ast.unparse(node.value))
            if node.attr in NEWER.get(module, "").split() or node.attr in NEWER_METHODS:
                found.append((node, node.attr))
        elif isinstance(node, ast.Name) and node.id in NEWER["builtins"].split():
            found.append((node, node.id))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "(?>" in node.value:
            found.append((node, "an atomic group in a pattern"))
    return [f"{node.lineno}: {name}" for node, name in found]


def test_the_shipped_source_uses_only_the_promised_python(repository):
    version = oldest(repository)
    assert version == (3, 10), "the tables above hold what is newer than 3.10: change them"
    wrong = {str(path): newer_names(path.read_text(), version) for path in shipped(repository)}
    assert not {path: names for path, names in wrong.items() if names}


@pytest.mark.parametrize(
    "source",
    [
        "import hashlib\nhashlib.file_digest(file, 'sha256')",
        "from hashlib import file_digest",
        "import hashlib as h\nh.file_digest",
        "import tomllib",
        "from tomllib import loads",
        "from typing import Self",
        "import typing\nx: typing.Self",
        "raise ExceptionGroup('', [])",
        "import datetime\ndatetime.UTC",
        "error.add_note('x')",
        "import os\nos.path.splitroot('x')",
        "PATTERN = '(?>a+)b'",
    ],
)
def test_what_is_newer_is_found(source):
    assert newer_names(source, (3, 10))


@pytest.mark.parametrize("source", ["try: pass\nexcept* ValueError: pass"])
def test_newer_syntax_is_found(source):
    with pytest.raises(SyntaxError):
        newer_names(source, (3, 10))
