"""A real server with the pack and the injector, in its own folder: what the faults do with it."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import requests

from dev.faults.job import original, whole
from dev.host.client import Client, ExecutionFailed
from dev.host.pack_folder import PACK
from dev.host.server import Host
from mace_core.erasure.erasure_file import load_erasure
from mace_core.files.tensor_file import load_checked

INJECTOR = "faults-injector"
CACHES = ("concepts", "drawn", "cache")
FILES = "*.safetensors"
STAGES = (
    "Preserve prior",
    "Refine cross-attention",
    "Draw concepts",
    "Mask concepts",
    "Train LoRA",
    "Fuse Concept LoRAs",
    "Saved",
)


@dataclass(frozen=True)
class Result:
    """What a job gives: the SHA-256 of the saved erasure and of an image of the erased model."""

    erasure: str
    image: str


class Server:
    """A started ComfyUI. mace: its models/mace, which can be that of another server."""

    def __init__(self, base: Path, mace: Path | None = None):
        arguments = ("--whitelist-custom-nodes", PACK, INJECTOR)
        self.host = Host(base, arguments=arguments)
        self.mace, self.output = base / "models" / "mace", base / "output" / "mace"
        pack = base / "custom_nodes" / INJECTOR
        if not pack.is_symlink():
            pack.symlink_to(Path(__file__).with_name("injector"), target_is_directory=True)
        if mace is not None:
            self.mace.rmdir()
            self.mace.symlink_to(mace, target_is_directory=True)

    def __enter__(self) -> Server:
        self.host.start()
        return self

    def __exit__(self, *_) -> None:
        self.host.stop()

    @property
    def client(self) -> Client:
        return self.host.client()

    def answers(self) -> bool:
        """Whether the process lives, and its queue is empty."""
        if self.host.process is None or self.host.process.poll() is not None:
            return False
        queue = self.client.get("/queue")
        return not queue["queue_running"] and not queue["queue_pending"]

    def version(self) -> str:
        """The version of ComfyUI."""
        return self.client.get("/system_stats")["system"]["comfyui_version"]

    def inject(self, **state) -> None:
        """Change the state of the injector."""
        requests.post(f"{self.host.url}/faults", json=state, timeout=60).raise_for_status()

    def do_job(self, method: str) -> Result:
        outputs = self.client.run(whole(method))
        saved = self.mace / outputs["save"]["text"][0]
        return Result(hashlib.sha256(saved.read_bytes()).hexdigest(), outputs["erased"]["text"][0])

    def image(self) -> str:
        """The hash of an image of the original MODEL."""
        return self.client.run(original())["plain"]["text"][0]

    def refusal(self, prompt: dict) -> str:
        """The sentence that a prompt fails with; empty if it does not fail."""
        try:
            self.client.run(prompt)
        except ExecutionFailed as failed:
            return failed.data["exception_message"].strip()
        return ""

    def ended_with(self, prompt_id: str, words: str, or_complete: bool = False) -> tuple[bool, object]:
        """Whether a submitted prompt fails with one sentence of ours that has these words, and the error."""
        try:
            self.client.wait(prompt_id)
        except ExecutionFailed as failed:
            own, message = failed.data["node_type"].startswith("MACE_"), failed.data["exception_message"]
            return own and words in message and message.strip().count(". ") == 0, failed
        return or_complete, "completed"

    def forget(self) -> None:
        """Remove all results and erasures, but nothing that was being written."""
        for path in (*self.cached(), *self.mace.glob(FILES)):
            path.unlink()

    def forget_some(self) -> None:
        """Remove every second result, and all LoRAs: one that is trained in another batch than before can
        differ in its last bits."""
        for cache in CACHES:
            files = sorted((self.mace / cache).glob(FILES))
            for path in files if cache == "concepts" else files[::2]:
                path.unlink()

    def cached(self) -> list[Path]:
        """The finished results in the caches."""
        return [path for cache in CACHES for path in sorted((self.mace / cache).glob(FILES))]

    def damaged(self) -> list[str]:
        """The caches' files and erasures that are not as they were written."""
        found = [path for path in self.cached() if not _whole(path, load_checked)]
        found += [path for path in self.mace.glob(FILES) if not _whole(path, load_erasure)]
        return [path.name for path in found]

    def unfinished(self) -> list[Path]:
        """Temporary folders of files that were being written."""
        folders = [self.mace, self.output, *(self.mace / cache for cache in CACHES)]
        return [path for folder in folders for path in folder.glob(".mace-*.tmp")]

    def make_older(self, path: Path, seconds: float) -> None:
        changed = path.stat().st_mtime - seconds
        os.utime(path, (changed, changed))

    def position(self) -> int:
        """The length of the log, for `warnings`."""
        return self.host.log.stat().st_size

    def warnings(self, since: int, words: str) -> Counter[str]:
        """The lines with these words since that position of the log, and how often each is there."""
        return Counter(line for line in self._lines(since) if words in line)

    def stage(self, since: int) -> str:
        """The stage that wrote the last line since that position of the log."""
        told = [line.partition(":")[0] for line in self._lines(since)]
        return next((stage for stage in reversed(told) if stage in STAGES), "before the first")

    def _lines(self, since: int) -> list[str]:
        return self.host.log.read_bytes()[since:].decode(errors="replace").splitlines()


def _whole(path: Path, read) -> bool:
    try:
        read(path)
    except ValueError:
        return False
    return True
