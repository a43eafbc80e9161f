"""Which judges there are, and what one of them says about pictures. transformers is imported only here."""

from importlib import metadata
from pathlib import Path

import comfy.model_management
import comfyui_version
import folder_paths
import torch

from ...mace_core.evaluation.judge import CONFIG, Judge
from ...mace_core.evaluation.prompt_sets import PromptSet, Vocabulary, everyday_vocabulary
from ...mace_core.evaluation.scores import Verdict, verdict
from ...mace_core.version import VERSION
from ...mini import vocabulary as mini_world
from ...mini.vocabulary import JUDGE
from .checks import NAN_ANSWER, require_finite
from .fingerprints import fingerprint_in_force
from .folders import FOLDER, JUDGES
from .memory import in_parts
from .patch import cross_attention_layers, erased_targets
from .progress import check_interrupted
from .sampling import SAMPLER, SCHEDULER

BUNDLED_NAME = "bundled (for the miniature model)"
PLACES = {f"{FOLDER}/{JUDGES}": (FOLDER, JUDGES), "clip": ("text_encoders", "")}
MINI_WIDTH = 128  # of the miniature's text embeddings, which no other family has
CHUNK = 16  # pictures between two looks at the cancel button


def judge_names() -> list[str]:
    """The bundled judge, then every folder with a config.json below models/mace/judges and models/clip."""
    return [BUNDLED_NAME, *sorted(_folders())]


def check_judge(name: str) -> Path:
    """The folder of a judge; ValueError when there is none of that name."""
    if name == BUNDLED_NAME:
        return JUDGE
    folders = _folders()
    if name not in folders:
        raise ValueError(
            f"The judge '{name}' is not there: put the folder of a CLIP model as transformers "
            f"saves it (CLIPModel, safetensors) into models/{FOLDER}/{JUDGES} or models/clip, "
            "nothing is downloaded."
        )
    return folders[name]


def judge_problem(name: str | None) -> bool | str:
    """For a node's `validate_inputs`, in place of the host's own look into the list, which does not say where
    a judge belongs: True, or what is wrong."""
    try:
        return name is None or bool(check_judge(name))
    except ValueError as error:
        return str(error)


class HostJudge:
    """A judge on the host's device, and what it may be asked."""

    def __init__(self, name: str, model):
        folder = check_judge(name)
        mini = next(iter(cross_attention_layers(model).values()))[1] == MINI_WIDTH
        if name == BUNDLED_NAME and not mini:
            raise ValueError(
                "The bundled judge knows the pictures of the bundled miniature model only: put "
                f"the folder of a CLIP model into models/{FOLDER}/{JUDGES} and choose it."
            )
        device = comfy.model_management.get_torch_device()
        weights = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
        comfy.model_management.free_memory(3 * weights, device)  # float32, and room to work
        self.name = name
        self.vocabulary = _mini_vocabulary() if name == BUNDLED_NAME else everyday_vocabulary()
        self._judge = Judge.load(folder, device)

    @property
    def fingerprint(self) -> str:
        return self._judge.fingerprint

    def verdict(self, drawn: PromptSet, pictures) -> Verdict:
        """About pictures [n, H, W, 3] in 0..1 of one prompt set."""

        def look(start, number):
            check_interrupted()
            return self._judge.image_features(pictures[start : start + number])

        features = torch.stack(in_parts(len(pictures), CHUNK, look, "for the judge to look at a picture"))
        likeness = features @ self._judge.text_features([drawn.prompt])[0]
        require_finite(likeness, NAN_ANSWER.format(f"judge '{self.name}'"))
        texts = list(drawn.answers.values())
        probabilities = self._judge.choices(features, texts) if texts else None
        return verdict(drawn, probabilities, likeness)


def facts_of(judge: HostJudge, before, after, encoder) -> dict:
    """What made the figures, beside the settings: versions, and fingerprints of models and judge."""
    return {
        "pack": VERSION,
        "host": comfyui_version.__version__,
        "torch": torch.__version__,
        "transformers": metadata.version("transformers"),
        "judge": {"name": judge.name, "fingerprint": judge.fingerprint},
        "models": {
            "before": fingerprint_in_force(before),
            "after": fingerprint_in_force(after),
            "text_encoder": encoder.fingerprint,
            "erased_by_patches": sorted(erased_targets(after)),
        },
        "sampler": f"{SAMPLER}, {SCHEDULER}",
    }


def _folders() -> dict[str, Path]:
    found = {}
    for shown, (kind, below) in PLACES.items():
        for root in folder_paths.get_folder_paths(kind):
            root = Path(root) / below
            for folder in sorted(root.iterdir()) if root.is_dir() else ():
                if folder.is_dir() and (folder / CONFIG).is_file():
                    found.setdefault(f"{shown}/{folder.name}", folder)
    return found


def _mini_vocabulary() -> Vocabulary:
    world = mini_world.load_world()
    return Vocabulary(mini_world.concepts(world), mini_world.answers(world))
