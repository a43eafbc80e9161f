"""The available judges, and the verdicts of one of them. transformers is imported only when it is needed."""

from pathlib import Path

import comfy.model_management
import folder_paths
import torch

from ...mace_core.concepts.kinds import KINDS
from ...mace_core.evaluation.judge import CONFIG, Judge
from ...mace_core.evaluation.prompt_sets import PromptSet, Vocabulary, everyday_vocabulary
from ...mace_core.evaluation.scores import Verdict, verdict
from ...mace_core.files.shown import shown
from ...mini import vocabulary as mini_world
from .checks import NAN_ANSWER, require_finite
from .folders import FOLDER, JUDGES
from .memory import in_parts
from .patch import cross_attention_layers
from .progress import check_interrupted

BUNDLED_NAME = "bundled (for the miniature model)"
PLACES = {f"{FOLDER}/{JUDGES}": (FOLDER, JUDGES), "clip": ("text_encoders", "")}
MINI_WIDTH = 128  # of the miniature's text embeddings, which no other family has
CHUNK = 16  # images between two checks of the cancel button


def judge_names() -> list[str]:
    """The bundled judge, then every folder with a config.json in models/mace/judges and models/clip."""
    return [BUNDLED_NAME, *sorted(_folders())]


def check_judge(name: str) -> Path:
    """The folder of a judge. Raises ValueError if there is none of that name."""
    if name == BUNDLED_NAME:
        return mini_world.JUDGE
    folders = _folders()
    if not isinstance(name, str) or name not in folders:  # older hosts pass any value of a prompt on
        raise ValueError(
            f"Judge {shown(name)} not found: put a Hugging Face CLIPModel folder in "
            f"models/{FOLDER}/{JUDGES} or models/clip; nothing is downloaded."
        )
    return folders[name]


def judge_problem(name: str | None) -> bool | str:
    """For `validate_inputs`: True, or what is wrong. The host's own check of the list does not say where a
    judge belongs."""
    try:
        return name is None or bool(check_judge(name))
    except ValueError as error:
        return str(error)


class HostJudge:
    """A judge on the host's device, and its vocabulary."""

    def __init__(self, name: str, model):
        folder = check_judge(name)
        mini = next(iter(cross_attention_layers(model).values()))[1] == MINI_WIDTH
        if name == BUNDLED_NAME and not mini:
            raise ValueError(
                "The bundled judge knows only images of the bundled miniature model: put "
                f"a Hugging Face CLIPModel folder in models/{FOLDER}/{JUDGES} and choose it."
            )
        device = comfy.model_management.get_torch_device()
        weights = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
        comfy.model_management.free_memory(3 * weights, device)  # float32, and room to work
        self.name = name
        self.vocabulary = _mini_vocabulary() if name == BUNDLED_NAME else everyday_vocabulary()
        self._judge = Judge.load(folder, device)

    @property
    def fingerprint(self) -> str:
        """The hash of the judge's weights."""
        return self._judge.fingerprint

    def verdict(self, prompt_set: PromptSet, images: torch.Tensor) -> Verdict:
        """The verdict on the images [n, H, W, 3] in 0..1 of one prompt set."""

        def look(start, number) -> torch.Tensor:
            check_interrupted()
            return self._judge.image_features(images[start : start + number])

        features = torch.stack(in_parts(len(images), CHUNK, look, "for the judge to classify an image"))
        likeness = features @ self._judge.text_features([prompt_set.prompt])[0]
        require_finite(likeness, NAN_ANSWER.format(f"judge {shown(self.name)}"))
        texts = list(prompt_set.answers.values())
        probabilities = self._judge.choices(features, texts) if texts else None
        return verdict(prompt_set, probabilities, likeness)


def _folders() -> dict[str, Path]:
    found = {}
    for place, (kind, below) in PLACES.items():
        for root in folder_paths.get_folder_paths(kind):
            root = Path(root) / below
            for folder in sorted(root.iterdir()) if root.is_dir() else ():
                if folder.is_dir() and (folder / CONFIG).is_file():
                    found.setdefault(f"{place}/{folder.name}", folder)
    return found


def _mini_vocabulary() -> Vocabulary:
    world = mini_world.load_world()
    known = dict.fromkeys(KINDS, {}) | mini_world.concepts(world)
    return Vocabulary(known, mini_world.answers(world))
