"""The text encoder: CLIP's, with two layers of width 128 and only the world's words in its vocabulary.

It learns what a caption says (which things, scene, colour, artwork and rendering it names) and to match the
judge's features of the image, so that things that look alike have similar embeddings. Then it is frozen.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mini.checkpoint import TEXT_CONFIG

from .captions import Pieces
from .compose import Scene
from .tokens import LENGTH
from .world import World


class MiniText(nn.Module):
    """`clip` is shipped; the heads on its end-of-text and padding positions are for training only."""

    def __init__(self, rows: int, facts: int, features: int):
        super().__init__()
        from transformers import CLIPTextConfig, CLIPTextModel

        shape = {
            **TEXT_CONFIG,
            "vocab_size": rows + 1,
            "bos_token_id": 0,
            "eos_token_id": 1,
            "pad_token_id": 1,
        }
        self.clip = CLIPTextModel(CLIPTextConfig(**shape))
        nn.init.normal_(_embedding(self.clip).weight, std=0.05)
        self.says = nn.Linear(TEXT_CONFIG["hidden_size"], facts)
        self.looks = nn.Linear(TEXT_CONFIG["hidden_size"], features)

    def forward(self, rows: Tensor) -> Tensor:
        """Vocabulary rows [n, 77] -> embeddings [n, 77, 128]."""
        return self.clip(input_ids=rows).last_hidden_state


def _embedding(clip: nn.Module) -> nn.Embedding:
    return clip.get_input_embeddings()


def fact_names(world: World) -> list[str]:
    things = [t.name for t in (*world.objects, *world.persons)]
    return [
        *things,
        "person",
        *world.scenes,
        *world.colours,
        "noto",
        "twemoji",
        "fluent",
        "black and white",
        "sepia",
    ]


def facts(scene: Scene, pieces: Pieces, place: dict[str, int]) -> Tensor:
    """What the caption says about the scene, [facts] of 0 and 1; details that it omits are 0."""
    said = " ".join(text for text, _ in pieces)
    wanted = torch.zeros(len(place))
    for thing in scene.things:
        wanted[place[thing]] = 1
    for detail in (scene.background, scene.vendor):
        if detail in said:
            wanted[place[detail]] = 1
    if scene.rendering:
        wanted[place[scene.rendering]] = 1
    return wanted


def text_loss(
    model: MiniText, rows: Tensor, wanted: Tensor, pictures: Tensor, generator: torch.Generator
) -> tuple:
    """Predict the facts from the end-of-text token and a random padding token, and the judge's features.

    rows [n, 77], wanted [n, facts], pictures [n, p]: the judge's unit-length features of the images.
    """
    hidden = model(rows)
    n = torch.arange(len(rows))
    end = (rows == 1).int().argmax(1)
    padding = end + (torch.rand(len(rows), generator=generator) * (LENGTH - end)).long()
    told = F.binary_cross_entropy_with_logits(model.says(hidden[n, end]), wanted)
    told_late = F.binary_cross_entropy_with_logits(model.says(hidden[n, padding]), wanted)
    looks = F.normalize(model.looks(hidden[n, end]), dim=-1)
    alike = F.cross_entropy(20 * looks @ pictures.T, n)
    right = (
        (model.says(hidden[n, end]).argmax(1, keepdim=True) == wanted.argmax(1, keepdim=True)).float().mean()
    )
    return 20 * (told + 0.5 * told_late) + 0.2 * alike, {
        "told": told.item(),
        "alike": alike.item(),
        "top": right.item(),
    }
