"""Training of the judge: a tiny transformers `CLIPModel` that classifies images zero-shot.

It learns from composed images and from their reconstructions, so that the autoencoder's blur does not mislead
it. The text side sees names only inside a prompt, as when a real CLIP scores a real model.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .compose import GREY, SEPIA, VENDOR_NAMES, Scene
from .judge_tokenizer import LENGTH
from .world import World

PROJECTION = 128
TONED = 0.4
WINDOW = 42  # pixels: the things of a pair have 38 to 42 per side (compose.py)
WEIGHTS = {"subject": 1.0, "artwork": 0.7, "rendering": 0.2}
VISION = {"hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 5, "num_attention_heads": 4,
          "image_size": 64, "patch_size": 8}  # fmt: skip
TEXT = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2,
        "max_position_embeddings": LENGTH}  # fmt: skip


def groups(world: World) -> dict[str, list[str]]:
    """Names the judge chooses from: subjects (things, scenes, generic person), artwork, rendering."""
    subjects = [t.name for t in (*world.objects, *world.persons)] + [*world.scenes, "person"]
    return {
        "subject": subjects,
        "artwork": [f"{vendor} style" for vendor in VENDOR_NAMES],
        "rendering": ["colour", "black and white", "sepia"],
    }


def targets(scenes: list[Scene], world: World) -> dict[str, Tensor]:
    """Target distribution [n, names] per group; all zeros where a group does not apply to an image."""
    names = groups(world)
    wanted = {group: torch.zeros(len(scenes), len(words)) for group, words in names.items()}
    place = {word: i for words in names.values() for i, word in enumerate(words)}
    objects = {t.name for t in world.objects}
    for i, scene in enumerate(scenes):
        subjects = scene.things or (scene.background,)
        for subject in subjects:
            wanted["subject"][i, place[subject]] = 1 / len(subjects)
        if objects.intersection(scene.things):
            wanted["artwork"][i, place[f"{scene.vendor} style"]] = 1
        wanted["rendering"][i, place[scene.rendering or "colour"]] = 1
    return wanted


def pair_subjects(scenes: list[Scene], world: World) -> Tensor:
    """Subject indices of the two things of a pair, [n, 2]; -1 for other images."""
    place = {word: i for i, word in enumerate(groups(world)["subject"])}
    rows = [[place[t] for t in s.things] if len(s.things) == 2 else [-1, -1] for s in scenes]
    return torch.tensor(rows)


def taken_apart(
    pictures: Tensor, wanted: dict[str, Tensor], pairs: Tensor, generator: torch.Generator
) -> tuple[Tensor, dict[str, Tensor]]:
    """Replace two thirds of the pairs with one of their two things, enlarged, with its own target."""
    draw = torch.rand(len(pictures), generator=generator)
    taken = (pairs[:, 0] >= 0) & (draw < 2 / 3)
    second = (draw < 1 / 3).long()
    enlarged = corners(pictures)[second, torch.arange(len(pictures))]
    pictures = torch.where(taken[:, None, None, None], enlarged, pictures)
    one = F.one_hot(pairs.gather(1, second[:, None])[:, 0].clamp(min=0), wanted["subject"].shape[1]).float()
    return pictures, {**wanted, "subject": torch.where(taken[:, None], one, wanted["subject"])}


def toned(
    pictures: Tensor, wanted: dict[str, Tensor], generator: torch.Generator
) -> tuple[Tensor, dict[str, Tensor]]:
    """Turn a share TONED of the colour images [n, 3, 64, 64] black and white or sepia, and their targets too.

    The pool has too few such images to learn shapes without colour.
    """
    colour = wanted["rendering"][:, 0] > 0
    draw = torch.rand(len(pictures), generator=generator)
    kind = torch.where(colour & (draw < TONED), 1 + (draw < TONED / 2).long(), 0)
    maps = torch.stack([torch.eye(3), torch.tensor(GREY).expand(3, 3), torch.tensor(SEPIA).T]).float()
    pictures = torch.einsum("nij,njhw->nihw", maps[kind], pictures).clamp(0, 1)
    rendering = torch.where(kind[:, None] > 0, F.one_hot(kind, 3).float(), wanted["rendering"])
    return pictures, {**wanted, "rendering": rendering}


def corners(pictures: Tensor) -> Tensor:
    """Crop both things of a pair and enlarge each to a full image: [n, 3, 64, 64] -> [2, n, 3, 64, 64]."""
    side = pictures.shape[-1]
    parts = pictures[..., :WINDOW, :WINDOW], pictures[..., -WINDOW:, -WINDOW:]
    return torch.stack([F.interpolate(part, (side, side), mode="bilinear") for part in parts])


def build_judge(tokens) -> nn.Module:
    """An untrained CLIPModel that fits the judge's tokenizer."""
    from transformers import CLIPConfig, CLIPModel

    special = {"bos_token_id": tokens.bos_token_id, "eos_token_id": tokens.eos_token_id}
    text = {**TEXT, **special, "vocab_size": len(tokens), "pad_token_id": tokens.eos_token_id}
    return CLIPModel(CLIPConfig(text_config=text, vision_config=VISION, projection_dim=PROJECTION))


def prompts(tokens, world: World) -> dict[str, Tensor]:
    """Token ids [names, 24] of "a photo of the NAME", per group."""
    return {
        group: tokens(
            [f"a photo of the {w}" for w in words], padding="max_length", return_tensors="pt"
        ).input_ids
        for group, words in groups(world).items()
    }


def image_features(judge: nn.Module, pictures: Tensor) -> Tensor:
    """Unit-length features [n, 128] of images [n, 3, 64, 64] in 0..1 (preprocessor: mean 0.5, std 0.5)."""
    return F.normalize(_tensor(judge.get_image_features(pixel_values=pictures * 2 - 1)), dim=-1)


def judge_loss(
    judge: nn.Module, pictures: Tensor, wanted: dict[str, Tensor], texts: dict[str, Tensor]
) -> tuple:
    """Cross-entropy of image against text features over the names of each group, and the accuracy."""
    features = image_features(judge, pictures)
    scale, loss, figures = judge.logit_scale.exp().clamp(max=100), 0.0, {}
    for group, ids in texts.items():
        text = F.normalize(_tensor(judge.get_text_features(input_ids=ids)), dim=-1)
        logits = scale * features @ text.T
        told = wanted[group].sum(1) > 0
        loss = loss + F.cross_entropy(logits[told], wanted[group][told]) * WEIGHTS[group]
        right = wanted[group].gather(1, logits.argmax(1, keepdim=True))[told] > 0
        figures[group] = right.float().mean().item()
    return loss, figures


def _tensor(output) -> Tensor:
    """transformers 5 wraps projected features in an output object; 4 returns the tensor."""
    return output if isinstance(output, Tensor) else output.pooler_output
