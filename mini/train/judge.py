"""Training of the judge: a tiny transformers `CLIPModel` that names what a picture shows, used zero-shot.

It learns from composed pictures and from the same pictures through the autoencoder, so that the autoencoder's blur is
no stumbling block. The text side only ever sees names in a prompt, as when a real CLIP scores a real model.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .compose import Scene
from .tokens import END, START, tokenizer, word_tokens
from .world import World

VISION = {"hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 5, "num_attention_heads": 4,
          "image_size": 64, "patch_size": 8}  # fmt: skip
TEXT = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2,
        "max_position_embeddings": 24}  # fmt: skip


def groups(world: World) -> dict[str, list[str]]:
    """What the judge tells apart: subjects (things, scenes, anybody), artwork, rendering."""
    subjects = [t.name for t in (*world.objects, *world.persons)] + [*world.scenes, "a person"]
    return {
        "subject": subjects,
        "artwork": ["noto style", "twemoji style", "fluent style"],
        "rendering": ["colour", "black and white", "sepia"],
    }


def targets(scenes: list[Scene], names: dict[str, list[str]]) -> dict[str, Tensor]:
    """Per group the wanted distribution [n, names]; an all-zero row where a group says nothing of a picture."""
    wanted = {group: torch.zeros(len(scenes), len(words)) for group, words in names.items()}
    place = {group: {word: i for i, word in enumerate(words)} for group, words in names.items()}
    drawn = set(names["subject"])
    for i, scene in enumerate(scenes):
        subjects = ["a person" if t == "person" else t for t in scene.things] or [scene.background]
        for subject in subjects:
            wanted["subject"][i, place["subject"][subject]] = 1 / len(subjects)
        if scene.things and scene.things[0] in drawn and " " not in scene.things[0]:
            wanted["artwork"][i, place["artwork"][f"{scene.vendor} style"]] = 1
        wanted["rendering"][i, place["rendering"][scene.rendering or "colour"]] = 1
    return wanted


def build_judge(words: list[str]) -> tuple[nn.Module, Tensor]:
    """An untrained CLIPModel whose vocabulary holds just `words`' tokens, and CLIP token -> row [49408]."""
    from transformers import CLIPConfig, CLIPModel

    tokens = sorted({t for word in words for t in word_tokens(f"a photo of the {word}")} - {START, END})
    rows = torch.full((49408,), 0, dtype=torch.long)  # row 0: everything else
    rows[torch.tensor(tokens)] = torch.arange(1, len(tokens) + 1)
    start, end = len(tokens) + 1, len(tokens) + 2
    rows[START], rows[END] = start, end
    text = {**TEXT, "vocab_size": len(tokens) + 3, "bos_token_id": start, "eos_token_id": end, "pad_token_id": end}
    config = CLIPConfig(text_config=text, vision_config=VISION, projection_dim=128)
    return CLIPModel(config), rows


def prompt_rows(words: list[str], rows: Tensor) -> Tensor:
    """[len(words), 24] vocabulary rows of "a photo of the WORD"."""
    lines = [(START, *word_tokens(f"a photo of the {word}"), END) for word in words]
    length = TEXT["max_position_embeddings"]
    return rows[torch.tensor([[*line, *[END] * (length - len(line))] for line in lines])]


def normalised(pictures: Tensor) -> Tensor:
    """0..1 pictures [n, 3, 64, 64] as the judge's preprocessor hands them over: mean and spread one half."""
    return pictures * 2 - 1


def judge_loss(judge: nn.Module, pictures: Tensor, wanted: dict[str, Tensor], prompts: dict[str, Tensor]) -> tuple:
    """Cross-entropy over each group's names between image and text features."""
    features = F.normalize(_tensor(judge.get_image_features(pixel_values=normalised(pictures))), dim=-1)
    scale, loss, figures = judge.logit_scale.exp().clamp(max=100), 0.0, {}
    for group, rows in prompts.items():
        text = F.normalize(_tensor(judge.get_text_features(input_ids=rows)), dim=-1)
        logits = scale * features @ text.T
        told = wanted[group].sum(1) > 0
        loss = loss + F.cross_entropy(logits[told], wanted[group][told]) * (1.0 if group == "subject" else 0.3)
        right = wanted[group].gather(1, logits.argmax(1, keepdim=True))[told] > 0
        figures[group] = right.float().mean().item()
    return loss, figures


def _tensor(output) -> Tensor:
    """transformers 5 wraps projected features in an output object; 4 returns the tensor."""
    return output if isinstance(output, Tensor) else output.pooler_output


def write_tokenizer(folder: Path, rows: Tensor) -> None:
    """A CLIP tokenizer folder with the judge's rows: the host's vocabulary and merges, cut to what the words need."""
    full = tokenizer()
    names = {i: full.convert_ids_to_tokens(i) for i in torch.nonzero(rows).flatten().tolist()}
    vocabulary = {"<unk>": 0, **{name: int(rows[i]) for i, name in names.items()}}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=True))
