"""The host on a GPU in this process, and a table of time and memory per stage; skipped without a GPU."""

import time
from statistics import median

import pytest

from dev.host import card
from dev.host.card import DEVICE

if DEVICE != "cpu":
    card.prepare()  # before the test modules import torch

from dev.fullsize.host import hosted  # noqa: E402
from dev.host.in_process import InProcess  # noqa: E402

MIB = 2**20
_took: list[tuple[str, str, float, float, float]] = []


def pytest_collection_finish():
    import torch

    if DEVICE != "cpu" and not torch.cuda.is_available():
        pytest.exit(
            "skipped, because torch finds no CUDA GPU: run make test-cuda on a machine with one", returncode=0
        )


@pytest.fixture(scope="session")
def comfy(tmp_path_factory) -> InProcess:
    return hosted(tmp_path_factory.mktemp("comfy"), on_cpu=DEVICE == "cpu")


@pytest.fixture(scope="session")
def dynamic(comfy) -> bool:
    """Whether the host's own loaders create MODELs with dynamic VRAM here."""
    from comfy import model_patcher

    usual = model_patcher.ModelPatcher
    return getattr(model_patcher, "CoreModelPatcher", usual) is not usual


@pytest.fixture
def step(request, comfy):
    """`step(name, work)` returns the result of work() and records its time and memory for the final table.

    times: how often; the time is then the median of all but the first.
    """

    def measured(name: str, work, times: int = 1):
        found = []
        for _ in range(times):
            _start()
            started = time.perf_counter()
            result = work()
            found.append(_end(started))
        seconds = median(each[0] for each in found[times > 1 :])
        _took.append((request.node.callspec.id, name, seconds, *found[-1][1:]))
        return result

    return measured


def _start() -> None:
    import torch

    if DEVICE != "cpu":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()


def _end(started: float) -> tuple[float, float, float]:
    """The seconds, torch's peak memory on the GPU, and the memory in use afterwards, in MiB."""
    import torch

    if DEVICE == "cpu":
        return time.perf_counter() - started, 0.0, 0.0
    torch.cuda.synchronize()
    free, total = torch.cuda.mem_get_info()
    return time.perf_counter() - started, torch.cuda.max_memory_allocated() / MIB, (total - free) / MIB


def pytest_runtest_logreport(report):
    """Failures at once: a lent GPU can be gone before the summary."""
    if report.failed:
        print(f"\n{report.nodeid}\n{report.longreprtext}", flush=True)


def pytest_terminal_summary(terminalreporter):
    if not _took:
        return
    import comfyui_version
    import torch

    name = "the CPU" if DEVICE == "cpu" else torch.cuda.get_device_name()
    terminalreporter.section(f"ComfyUI {comfyui_version.__version__}, torch {torch.__version__}, {name}")
    lines = [
        "| model | stage | seconds | torch peak, MiB | GPU afterwards, MiB |",
        "|---|---|---|---|---|",
    ]
    for model, stage, seconds, peak, used in _took:
        memory = "- | -" if DEVICE == "cpu" else f"{peak:,.0f} | {used:,.0f}"
        lines.append(f"| {model} | {stage} | {seconds:.3f} | {memory} |")
    terminalreporter.write_line("\n".join(lines))
