"""The fingerprint of a U-Net of full size for the nodes of a workflow: hashed once, or by each node."""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch

from dev.fullsize.families import FAMILIES, random_model
from dev.fullsize.host import hosted
from dev.fullsize.once import NODES
from dev.speed.timing import bytes_hashed_per_second, compared, rounded, taken

FAMILY = FAMILIES["sd15"]
ROUNDS = 3


def run() -> dict:
    with tempfile.TemporaryDirectory(prefix="mace-speed-") as base:
        comfy = hosted(Path(base))
        fingerprints = comfy.module("nodes.host.fingerprints")
        once, each = [], []
        for _ in range(ROUNDS):
            with torch.inference_mode():
                model = random_model(FAMILY, torch.bfloat16)
                for ways, fingerprint in (
                    (each, fingerprints._network_hash),
                    (once, fingerprints.model_fingerprint),
                ):
                    ways.append(taken(lambda of=fingerprint: [of(model) for _ in range(NODES)]))
    row = compared(
        f"{NODES} nodes, U-Net of {model.model_size() / 2**20:,.0f} MiB",
        [way.seconds for way in once],
        [way.seconds for way in each],
        model.model_size() / bytes_hashed_per_second(),
        mib=rounded(max(way.mib for way in once)),
    )
    return {"rows": [row]}
