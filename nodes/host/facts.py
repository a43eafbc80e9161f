"""What a score or a probe depends on besides its settings: versions, and fingerprints of models and judge."""

from dataclasses import dataclass
from importlib import metadata

import comfyui_version
import torch

from ...mace_core.files.records import Record
from ...mace_core.version import VERSION
from .fingerprints import fingerprint_in_force
from .judge import HostJudge
from .patch import erased_targets
from .sampling import SAMPLER, SCHEDULER


@dataclass(frozen=True)
class JudgeFacts(Record):
    """The judge's name in the list, and the hash of its weights."""

    name: str
    fingerprint: str


@dataclass(frozen=True)
class ModelFacts(Record):
    """Fingerprints of both models and the text encoder, and the targets that patches on the second erase."""

    before: str
    after: str
    text_encoder: str
    erased_by_patches: tuple[str, ...]


@dataclass(frozen=True)
class Facts(Record):
    """pack, host, torch, transformers: versions; seconds: of the whole run."""

    pack: str
    host: str
    torch: str
    transformers: str
    judge: JudgeFacts
    models: ModelFacts
    sampler: str
    seconds: float

    @property
    def same_model(self) -> bool:
        """Whether 'before' and 'after' are the same model."""
        return self.models.before == self.models.after


def facts_of(judge: HostJudge, before, after, encoder, seconds: float) -> Facts:
    """The facts of a run that took so many seconds."""
    return Facts(
        VERSION,
        comfyui_version.__version__,
        str(torch.__version__),
        metadata.version("transformers"),
        JudgeFacts(judge.name, judge.fingerprint),
        ModelFacts(
            fingerprint_in_force(before),
            fingerprint_in_force(after),
            encoder.fingerprint,
            tuple(sorted(erased_targets(after))),
        ),
        f"{SAMPLER}, {SCHEDULER}",
        round(seconds, 1),
    )
