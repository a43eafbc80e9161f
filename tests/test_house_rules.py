"""The rules in DEVELOPERS.md, section "Rooms", checked against the source."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
SHIPPED = ("mace_core", "nodes", "mini", "mace_erase")
COMMAND = "mace_erase"  # the command line, the only part of the pack that prints
PACK_MODULES = {*SHIPPED, "dev", "demo"}
HOST_MODULES = {"comfy", "comfy_extras", "comfy_execution", "folder_paths", "latent_preview", "server"}
LINES_PER_FILE = 300
RUNS_CODE = r"\b(eval|exec|compile|__import__|import_module|system|popen)\("
REACHES_OUT = {"subprocess", "socket", "pickle", "marshal", "ctypes", "urllib", "http", "requests", "aiohttp"}
REACHES_OUT |= {"ray"}
CLUSTER = REPOSITORY / "nodes" / "cluster"
JOINS = CLUSTER / "connection.py"  # the only file that knows Ray
ON_WORKERS = CLUSTER / "seed.py"  # the only file that imports by name: the worker's copy of this pack
SHAPELESS = {
    "header",
    "raw",
    "tensor_hash",
    "each",
    "to",
    "check_finite",
    "content_of",
}  # tensors of any shape


def python_files(*rooms: str) -> list[Path]:
    files = [REPOSITORY / "__init__.py"] if rooms == SHIPPED else []
    for room in rooms:
        files += sorted((REPOSITORY / room).rglob("*.py"))
    return files


def all_source() -> list[Path]:
    return python_files(*SHIPPED, "dev", "demo", "tests") + [REPOSITORY / "__init__.py"]


def imports(path: Path) -> Iterator[tuple[int, str, bool]]:
    """Yields (relative level, module, at module level?) for every import statement."""
    tree = ast.parse(path.read_text())
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    inside = {id(node) for function in functions for node in ast.walk(function)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield node.level, node.module or "", id(node) not in inside
        elif isinstance(node, ast.Import):
            yield from ((0, alias.name, id(node) not in inside) for alias in node.names)


def absolute(path: Path, top_only: bool = False) -> set[str]:
    """The top-level names of all absolute imports in a file."""
    found = [(module, top) for level, module, top in imports(path) if not level]
    return {module.split(".")[0] for module, top in found if top or not top_only}


def each(paths: list[Path]):
    return pytest.mark.parametrize("path", paths, ids=lambda path: str(path.relative_to(REPOSITORY)))


@each(python_files("mace_core"))
def test_the_core_knows_nothing_of_the_host(path):
    assert not absolute(path) & {*HOST_MODULES, "comfy_api"}
    assert not absolute(path, top_only=True) & {"transformers", "peft", "diffusers"}


@each([path for path in python_files("nodes") if path.parent.name != "host"])
def test_a_node_file_knows_only_the_hosts_schema(path):
    assert not absolute(path) & HOST_MODULES, "move this to nodes/host"


@each(python_files(*SHIPPED))
def test_imports_inside_the_pack_are_relative(path):
    """The host loads packs by path: absolute imports work in tests but fail for every user."""
    assert not absolute(path) & PACK_MODULES


@each(python_files(*SHIPPED))
def test_the_pack_does_not_print(path):
    forbidden = {"print", "eval", "exec"} - (
        {"print"} if path.is_relative_to(REPOSITORY / COMMAND) else set()
    )
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    assert not [call for call in calls if getattr(call.func, "id", "") in forbidden]


@each(python_files("mace_core", "nodes", "mini"))
def test_the_pack_runs_no_foreign_code_and_reaches_nothing_outside(path):
    """What scanners of node packs look for, too: a pattern is a string, and train(False) sets a model."""
    runs = re.findall(RUNS_CODE, path.read_text())
    assert runs == (["import_module"] if path == ON_WORKERS else [])
    assert absolute(path) & REACHES_OUT == ({"ray", "socket"} if path == JOINS else set())
    assert "ray" not in absolute(path, top_only=True), "import it when a cluster is joined"


@each(all_source())
def test_source_is_small_and_plain(path):
    text = path.read_text(encoding="ascii")
    lines = text.splitlines()
    assert len(lines) <= LINES_PER_FILE
    assert ast.get_docstring(ast.parse(text)) or len(lines) < 2, (
        "state the purpose of this file in a docstring"
    )


def public_functions(path: Path) -> Iterator[ast.FunctionDef]:
    """Functions and methods without a leading underscore; nested functions are excluded."""
    classes = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)]
    bodies = [ast.parse(path.read_text()).body, *(each.body for each in classes if each.name[0] != "_")]
    for node in (node for body in bodies for node in body):
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node


@each(python_files("mace_core"))
def test_public_functions_of_the_core_say_what_they_do_with_shapes_and_types(path):
    """The docstrings are the reference, so every function needs one, with the shapes of its tensors."""
    for function in public_functions(path):
        said = ast.get_docstring(function) or ""
        parameters = [*function.args.args, *function.args.kwonlyargs]
        named = [each for each in parameters if each.arg not in ("self", "cls")]
        assert said, f"{function.name} has no docstring"
        assert function.returns and all(each.annotation for each in named), f"{function.name} has no types"
        tensors = [each for each in named if ast.unparse(each.annotation) == "Tensor"]
        if tensors or ast.unparse(function.returns) == "Tensor":
            assert "[" in said or function.name in SHAPELESS, f"{function.name} gives no shape"


LINES_THE_SAME = 6


def runs_of(path: Path) -> dict[tuple[str, ...], int]:
    """Every run of LINES_THE_SAME lines of code, with its first line number. Imports are left out."""
    lines = path.read_text().splitlines()
    imports = {
        number
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for number in range(node.lineno, node.end_lineno + 1)
    }
    code = [
        (number, line.strip())
        for number, line in enumerate(lines, 1)
        if len(line.strip()) > 3 and number not in imports
    ]
    windows = [code[start : start + LINES_THE_SAME] for start in range(len(code) - LINES_THE_SAME + 1)]
    return {tuple(line for _, line in window): window[0][0] for window in windows}


def test_nothing_is_written_twice_between_demo_dev_nodes_and_the_command_line():
    seen: dict[tuple[str, ...], str] = {}
    twice = []
    for path in python_files("demo", "dev", "nodes", COMMAND):
        for run, number in runs_of(path).items():
            place = f"{path.relative_to(REPOSITORY)}:{number}"
            if run in seen:
                twice.append(f"{seen[run]} = {place}: {run[0]}")
            seen.setdefault(run, place)
    assert not twice, "\n".join(twice)


@pytest.mark.parametrize("asked", [("check", "--output-format=concise"), ("format", "--diff")])
def test_ruff_is_content(asked):
    answer = subprocess.run(
        [sys.executable, "-m", "ruff", *asked, "."], cwd=REPOSITORY, capture_output=True, text=True
    )
    assert not answer.returncode, answer.stdout


def pages() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=REPOSITORY, capture_output=True, text=True)
    return [REPOSITORY / name for name in listed.stdout.split()]


@pytest.mark.parametrize("page", pages(), ids=lambda path: path.name)
def test_a_link_on_a_page_leads_somewhere(page):
    text = page.read_text()
    for target, heading in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)", text):
        there = page.parent / target if target else page
        assert there.exists(), target
        if heading:
            titles = re.findall(r"^#+ (.*)$", there.read_text(), re.M)
            assert heading in {re.sub(r"[^\w-]", "", title.lower().replace(" ", "-")) for title in titles}


def test_nothing_tracked_names_a_machine():
    names = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True)
    if names.returncode:
        pytest.skip("not a git work tree")
    places = re.compile(r"(?<![\w.])/(work|farm|tmp|root)/")
    endings = (".py", ".md", ".json", ".toml", ".txt", "Makefile")
    texts = [path for path in map(REPOSITORY.joinpath, names.stdout.split()) if path.name.endswith(endings)]
    texts = [path for path in texts if path.is_file() and path != Path(__file__)]
    assert not [str(path) for path in texts if places.search(path.read_text())]


IMPORT_THE_PACK = """
import importlib.util, sys, time
spec = importlib.util.spec_from_file_location("/pack", sys.argv[1], submodule_search_locations=[sys.argv[2]])
started = time.process_time()
module = importlib.util.module_from_spec(spec)
sys.modules["/pack"] = module
spec.loader.exec_module(module)
print(time.process_time() - started)
print(*{name.split(".")[0] for name in sys.modules})
"""


def test_importing_the_pack_is_quick_and_loads_nothing_heavy():
    arguments = [str(REPOSITORY / "__init__.py"), str(REPOSITORY)]
    answer = subprocess.run(
        [sys.executable, "-c", IMPORT_THE_PACK, *arguments],
        cwd=os.sep,
        text=True,
        capture_output=True,
        check=True,
    )
    seconds, modules = answer.stdout.splitlines()
    assert float(seconds) < 0.1
    assert not set(modules.split()) & {"torch", "transformers", "peft", "diffusers", "safetensors"}


def test_requirements_are_the_projects_dependencies_and_leave_the_host_alone():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    lines = [line for line in (REPOSITORY / "requirements.txt").read_text().splitlines() if line.strip()]
    assert lines == project["dependencies"]
    names = {re.split(r"[^\w-]", line)[0].lower() for line in lines}
    assert not names & {"torch", "torchvision", "numpy", "transformers", "safetensors", "pillow"}
    assert all(re.fullmatch(r"[\w-]+(>=[\d.]+)?", line) for line in lines), "lower bounds only"
