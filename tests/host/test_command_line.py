"""`python -m mace_erase` as an administrator runs it: another process, the miniature, tiny settings."""

import fnmatch
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dev.host.fetch import REPOSITORY, host_folder
from mace_erase.command import COMMANDS
from mace_erase.erase import prior_of
from mace_erase.options import parser
from mace_erase.progress import Line
from mace_erase.settings import ERASING, EXPORTING, PROBING, SCORING
from tests.host.graphs import CHECKPOINT

SECONDS = 120
MINI = ["--checkpoint", CHECKPOINT, "--size", "64x64", "--cfg", "4"]
TINY = [*MINI, "--images", "1", "--steps", "2"]
CSV = 'target,surrogate,synonyms\nship,sea,"boat, vessel"\ndog,ground,\ncat,a dog,\n'
# Where torch cannot load torchvision, the host starts only with what dev/host/launch.py declares.
PREPARED = """
import importlib.util
spec = importlib.util.spec_from_file_location("launch", {!r})
launch = importlib.util.module_from_spec(spec)
spec.loader.exec_module(launch)
launch.make_importable()
"""


class Shell:
    """Runs command lines with ComfyUI's files in `base`."""

    def __init__(self, base: Path, site: Path):
        self.base, self.site = base, site
        self.mace = base / "models" / "mace"

    def start(self, *arguments, own=("-m", "mace_erase"), cwd=REPOSITORY, host=None, base=True):
        environment = os.environ | {"PYTHONPATH": str(self.site), "OMP_NUM_THREADS": "1"}
        environment |= {"COMFYUI_PATH": str(host or host_folder()), "TMPDIR": str(self.base.parent)}
        if host == "":
            del environment["COMFYUI_PATH"]
        hosts = ["--", "--cpu", *(["--base-directory", str(self.base)] if base else [])]
        return subprocess.Popen(
            [sys.executable, *own, *map(str, arguments), *hosts],
            cwd=cwd,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments, **where) -> subprocess.CompletedProcess:
        process = self.start(*arguments, **where)
        out, errors = process.communicate(timeout=SECONDS)
        return subprocess.CompletedProcess(process.args, process.returncode, out, errors)

    def json(self, *arguments, **where) -> dict:
        answer = self.run(*arguments, "--json", **where)
        assert answer.returncode == 0, answer.stderr
        [line] = answer.stdout.splitlines()
        return json.loads(line)

    def files(self) -> list[Path]:
        return [path for path in self.mace.rglob("*") if path.is_file()]


def wait_for(condition, process):
    until = time.monotonic() + SECONDS
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    launcher = str(REPOSITORY / "dev" / "host" / "launch.py")
    (folder / "sitecustomize.py").write_text(PREPARED.format(launcher))
    return folder


@pytest.fixture
def shell(tmp_path, site) -> Shell:
    return Shell(tmp_path / "data", site)


@pytest.fixture
def few(tmp_path) -> tuple:
    """Options of `score`: one name to preserve and one that nobody names, not dozens of the judge's."""
    for option, name in (("keep", "cat"), ("never", "fox")):
        (tmp_path / f"{option}.txt").write_text(name)
    return "--keep", tmp_path / "keep.txt", "--never-named", tmp_path / "never.txt"


def test_a_run_that_is_killed_continues_when_it_is_started_again(shell, tmp_path):
    (tmp_path / "my lists").mkdir()
    path = tmp_path / "my lists" / "three things.csv"
    path.write_text(CSV)
    command = ["erase", path, *MINI, "--images", "1", "--steps", "60", "--everyday"]
    killed = shell.start(*command)
    wait_for(lambda: list(shell.mace.glob("drawn/*.safetensors")), killed)
    killed.kill()
    killed.communicate()
    assert not list(shell.mace.glob("*.safetensors"))
    answer = shell.run(*command, "--json")
    assert answer.returncode == 0, answer.stderr
    result = json.loads(answer.stdout.splitlines()[-1])
    found = result["from_cache"]["images"]
    assert 1 <= found < 3 and f"Draw concepts: {found} of 3 concepts are in the cache\n" in answer.stderr
    assert result["erasure"] == "three_things_00001.safetensors" and Path(result["path"]).is_file()
    assert result["concepts"][0] == {
        "target": "ship",
        "surrogate": "sea",
        "kind": "object",
        "synonyms": ["boat", "vessel"],
    }
    assert [each["target"] for each in result["concepts"]] == ["ship", "dog", "cat"]
    assert not (shell.base / "input" / path.name).exists(), "the list was copied"


def test_a_wrong_list_is_one_sentence_and_nothing_is_written(shell, tmp_path):
    (tmp_path / "list.csv").write_text("target,surrogate\nship,\n")
    answer = shell.run("erase", tmp_path / "list.csv", *TINY, "--quiet", "--json")
    [said] = answer.stderr.splitlines()
    assert answer.returncode == 1 and "In 'list.csv': line 2 has no surrogate" in said
    assert json.loads(answer.stdout) == {"command": "erase", "error": said}
    assert not shell.mace.exists()


@pytest.mark.parametrize("sign, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["int", "term"])
def test_a_signal_stops_within_a_step_and_leaves_nothing_half_written(shell, tmp_path, sign, code):
    (tmp_path / "list.txt").write_text("ship -> sea")
    long = [*MINI, "--images", "8", "--steps", "200", "--names", "cat", "--json"]
    process = shell.start("erase", tmp_path / "list.txt", *long)
    wait_for(
        lambda: list(shell.mace.glob("cache/*.safetensors")), process
    )  # the prior, which comes just before the images
    time.sleep(1)
    process.send_signal(sign)
    sent = time.monotonic()
    out, errors = process.communicate(timeout=SECONDS)
    assert process.returncode == code and time.monotonic() - sent < 10
    assert "Interrupted" in json.loads(out)["error"] and "Traceback" not in errors
    assert {path.parent.name for path in shell.files()} == {"cache"}
    assert not list(shell.mace.rglob(".mace-*")) and not list(tmp_path.glob("mace-erase-*"))


def test_the_path_that_erase_prints_is_what_score_reads(shell, tmp_path, few):
    (tmp_path / "one.txt").write_text("ship (boat) -> sea")
    erased = shell.run("erase", tmp_path / "one.txt", *TINY, "--names", "cat", "--quiet")
    assert (erased.returncode, erased.stderr) == (0, "")
    assert erased.stdout == f"{shell.mace / 'one_00001.safetensors'}\n"
    answer = shell.run("score", erased.stdout.strip(), *TINY, *few)
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith("## Erased: ship -> sea") and "| a photo of the cat " in answer.stdout
    assert "Never named: the one concept of your list." in answer.stdout
    scores = shell.base / "output" / "mace"
    assert json.loads((scores / "scores_00001.json").read_text())["settings"]["images"] == 1
    assert (scores / "scores_00001.png").read_bytes().startswith(b"\x89PNG")
    assert (scores / "scores_00001_chart.png").is_file()


def carry_out(comfy, *arguments) -> dict:
    """The result of a command in this process, which is faster."""
    options = parser().parse_args(list(map(str, arguments)))
    return COMMANDS[options.command](comfy, options, Line(quiet=True))


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (("--images", "0"), "number of images per concept is 0"),
        (("--cfg", "31"), "'cfg' is 31.0, but must be from 0.0 to 30.0"),
        (("--name", "../out"), "'../out'"),
        (("--checkpoint", "none.safetensors"), "no checkpoint 'none.safetensors'"),
        (("--preserve", "none.txt"), "'none.txt' cannot be read"),
    ],
)
def test_everything_is_checked_before_any_work(comfy, monkeypatch, tmp_path, arguments, sentence):
    monkeypatch.setattr("mace_erase.erase.load_checkpoint", lambda *_: pytest.fail("work has begun"))
    (tmp_path / "list.txt").write_text("ship -> sea")
    with pytest.raises(ValueError, match=re.escape(sentence)):
        carry_out(comfy, "erase", tmp_path / "list.txt", *TINY, *arguments)


@pytest.fixture(scope="module")
def saved(comfy, tmp_path_factory) -> Path:
    """The file of an erasure that this process has made."""
    path = tmp_path_factory.mktemp("lists") / "for export.txt"
    path.write_text("ship (boat) -> sea")
    return Path(carry_out(comfy, "erase", path, *TINY, "--names", "cat")["path"])


def test_probe_and_export(comfy, saved):
    probed = carry_out(comfy, "probe", saved, *TINY, "--learning-steps", "0")
    assert set(probed["recovery"]) >= {"its own name", "LoRA re-training"}
    assert Path(probed["record"]).is_file() and Path(probed["images"][0]).is_file()
    exported = carry_out(comfy, "export", saved.stem, "--checkpoint", CHECKPOINT, "--rank", "4")
    assert Path(exported["path"]).is_file() and exported["report"].startswith("Rank ")


@pytest.mark.parametrize(
    "mode, gated", [((), True), (("--mode", "gated"), True), (("--mode", "linear"), False)]
)
def test_score_judges_the_model_in_the_mode_that_is_asked_for(comfy, monkeypatch, saved, few, mode, gated):
    applied = comfy.nodes["MACE_ApplyErasedModel"]
    output = applied.execute
    seen = []
    monkeypatch.setattr(applied, "execute", lambda **given: seen.append(output(**given)) or seen[-1])
    carry_out(comfy, "score", saved, *TINY, *few, *mode)
    (model,) = seen[0].result
    assert bool(model.object_patches) == gated and bool(model.patches) != gated


def test_list_shows_every_erasure_and_what_is_wrong_with_a_damaged_one(comfy, saved):
    saved.with_name("torn.safetensors").write_bytes(b"torn")
    found = {each["erasure"]: each for each in carry_out(comfy, "list")["erasures"]}
    assert found[saved.name]["concepts"][0]["target"] == "ship"
    assert found[saved.name]["stages"] == "all stages"
    assert "torn.safetensors" in found["torn.safetensors"]["error"]


def test_names_count_as_the_papers_domain_only_with_the_authors_settings(comfy, monkeypatch, tmp_path):
    given = []

    def run(self, node_id, **inputs):
        if node_id == "MACE_PreservePrior":
            given.append((inputs.get("names", ""), inputs.get("other"), inputs.get("concepts")))
            return (f"prior {len(given)}",)
        pytest.fail("only priors are made here")

    monkeypatch.setattr(type(comfy), "run", run)
    for preset, domain in (("own", None), ("paper", "concepts"), ("published-code", "concepts")):
        given.clear()
        options = parser().parse_args(
            ["erase", "x", *TINY, "--everyday", "--names", "cat", "dog", "--preset", preset]
        )
        assert prior_of(comfy, options, "clip", "", "concepts") == "prior 2"
        assert given == [("", None, None), ("cat\ndog", "prior 1", domain)]


def shipped() -> list[str]:
    """The files that the registry ships: those of git without those in .comfyignore."""
    listed = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    ignored = (REPOSITORY / ".comfyignore").read_text().split()
    return [
        name
        for name in listed.stdout.splitlines()
        if not any(fnmatch.fnmatch(name, f"{each.rstrip('/')}*") for each in ignored)
    ]


def test_in_custom_nodes_it_finds_comfyui_and_needs_nothing_that_is_not_shipped(shell, tmp_path):
    """Also when the pack is a link, and from another folder, by the path of mace_erase."""
    comfyui, pack = tmp_path / "ComfyUI", tmp_path / "pack"
    shutil.copytree(host_folder(), comfyui)
    shutil.rmtree(comfyui / "custom_nodes")
    for name in shipped():
        (pack / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, pack / name)
    assert not (pack / "dev").exists()
    (comfyui / "custom_nodes").mkdir()
    (comfyui / "custom_nodes" / "linked").symlink_to(pack, target_is_directory=True)
    by_path = [str(comfyui / "custom_nodes" / "linked" / "mace_erase")]
    (tmp_path / "one.txt").write_text("ship -> sea")
    preview = ["erase", tmp_path / "one.txt", "--checkpoint", CHECKPOINT, "--preview"]
    saved = shell.json(*preview, own=by_path, cwd=tmp_path, host="", base=False)
    assert saved["path"] == str(comfyui / "models" / "mace" / "one_00001.safetensors")
    shutil.copytree(pack, comfyui / "custom_nodes" / "copied")
    listed = shell.json("list", cwd=comfyui / "custom_nodes" / "copied", host="", base=False)
    assert [each["stages"] for each in listed["erasures"]] == ["stage 1 only"]


@pytest.mark.parametrize("setting", (*ERASING, *SCORING, *PROBING, *EXPORTING), ids=lambda each: each.flag)
def test_options_are_inputs_of_the_nodes_with_their_defaults_and_words(comfy, setting):
    for node in setting.nodes:
        inputs = {each.id: each for each in comfy.nodes[node].define_schema().inputs}
        assert inputs[setting.input].default == setting.default
        offered = getattr(inputs[setting.input], "options", None)
        assert {value for _, value in setting.values} <= set(offered or ())
        if len(setting.nodes) == 1 and setting.values:
            assert {value for _, value in setting.values} == set(offered)


def test_the_kinds_are_all_kinds():
    from mace_core.concepts.kinds import KINDS
    from mace_erase import options

    assert options.KINDS == tuple(KINDS)
