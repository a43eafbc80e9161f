"""A small CLIP tokenizer for the judge: CLIP's own, reduced to the merges that the judge's words need.

In CLIP's vocabulary, each token that is not a single byte comes from exactly one merge. Keeping a token means
keeping its merge and, recursively, the two tokens that it joins. All single bytes stay, so that any text can
be tokenised.
"""

from __future__ import annotations

import json
from pathlib import Path

from .tokens import tokenizer, word_tokens

LENGTH = 24


def write_tokenizer(folder: Path, words: list[str]):
    """Write vocab.json, merges.txt and tokenizer_config.json for `words`; return the loaded CLIPTokenizer."""
    from transformers import CLIPTokenizer

    full = json.loads(tokenizer().backend_tokenizer.to_str())["model"]
    by_id = {i: token for token, i in full["vocab"].items()}
    merges = [tuple(m) if not isinstance(m, str) else tuple(m.split(" ")) for m in full["merges"]]
    made_by = {"".join(pair): pair for pair in merges}
    kept: set[tuple[str, str]] = set()
    for word in words:
        for token in word_tokens(f"a photo of the {word}"):
            _keep(by_id[token], made_by, kept)
    single = [token for token, i in sorted(full["vocab"].items(), key=lambda item: item[1]) if i < 512]
    tokens = [*single, *sorted("".join(pair) for pair in kept), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({token: i for i, token in enumerate(tokens)}))
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges if pair in kept)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    settings = {"tokenizer_class": "CLIPTokenizer", "model_max_length": LENGTH, "pad_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1) + "\n")
    return CLIPTokenizer.from_pretrained(folder)


def _keep(token: str, made_by: dict[str, tuple[str, str]], kept: set[tuple[str, str]]) -> None:
    pair = made_by.get(token)
    if pair is not None and pair not in kept:
        kept.add(pair)
        for part in pair:
            _keep(part, made_by, kept)
