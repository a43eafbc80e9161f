"""docs/scale.md: the page of `python -m dev.scale`."""

from __future__ import annotations

from collections.abc import Iterable

from dev.fullsize.families import FAMILIES
from dev.scale import arithmetic
from dev.scale.arithmetic import ASSUMED, CARDS, CONCEPTS, Inputs

HEAD = """# Ten thousand concepts, on paper

`make scale` writes this page from `results/scale.json` and `results/fullsize.json`. No cluster of GPUs was
used: the costs of one concept are **measured** on a CPU (on the miniature, or with tensors of full size), and
everything else is arithmetic on top. What is **assumed** says so. How to use a cluster:
[command line](command_line.md#ray).

Workers generate images and train. The machine that starts the run (the driver) does the rest: stage 1, masks,
the cache and fusion.
"""
FORMULA = """## Time

For n concepts on c GPUs, with s seconds per training image (30 steps with CFG) on one of them:

    hours = n / c * {fast} * s / 3600          with the fast trainer
    hours = n / c * {exact} * s / 3600         with the exact one

Counted per concept: {draw} passes of the U-Net to generate {images} images and to locate the concept in them,
then {fast_passes} (fast) or {exact_passes} (exact; each is assumed to take as long as {backward} passes,
although those that only check the loss take one). An image is {of_image} passes. Each worker also loads
ComfyUI and the checkpoint once.
"""
DRIVER = f"""The driver's own work is not distributed. In hours for {CONCEPTS:,} concepts on one CPU core,
except the text encoder ({{prompts}} prompts per concept are counted; a GPU is assumed to encode
{arithmetic.PROMPTS_PER_SECOND:,} per second):
"""
MEMORY = """## Memory, storage, network

A worker holds one model and one batch, whatever the length of the list: see
[full-size models](results/fullsize.md). The driver holds the whole list. The first three columns of numbers
are per concept.
"""
ROOM = """## Where d x d matrices stop helping

**They help** while they are sums. Stages 1 and 3 know the prompts only through d x d matrices, so the cost of
solving does not depend on the number of concepts. One concept, however, is stored with a d x d matrix of its
own (C), which is most of its file, and could be computed again from its prompts.

**They stop helping** when the concepts ask for more than d directions. Without a gate, an edit is one linear
map of a token e, and can treat at most d tokens independently: the answers of n concepts to their own words,
e_i^T N^-1 e_i with N = sum e_i e_i^T + r I, sum to at most d. On average, each keeps at most d / n of its own
edit.

Measured on the miniature's text encoder (d = {d}, its world's names, all prompts, directions of the fast
trainer, no prior): what a word gets after fusion from its own LoRA, which alone would give 1, and from all
others together.

| concepts | n / d | own | all others | on a word that nobody erased |
|---|---|---|---|---|
{rows}

From {crossing} concepts (n / d = {share:.2f}), the others outweigh a concept's own edit. This agrees with
[what images show](results/mass.md): with 100 concepts, the linear form preserves next to nothing that nobody
named. The gated form preserves nearly everything, because a gate decides per token *whether* the edit acts,
which is not linear; *what* it does there is still the sum above. More than 100 concepts were not measured on
images.
"""
BREAKS = """## What breaks first

| ends at this number of concepts | {families} |
|---|{bars}|
{rows}

1. **The linear form**, in quality: long before there are as many concepts as directions, it is no longer
   about single concepts.
2. **The driver's memory.** Draw Concepts outputs all images at once, and the nodes after it hold the whole
   list. A shorter list is no way around it, because an erasure is made from one list; fewer `--images` are.
3. **The cache.** Each of its folders keeps {cache} GiB and removes the oldest files beyond that. The run goes
   on, but a run that is started again finds only the newest concepts.
4. **The driver's time.** From about {balanced} GPUs, it takes longer than the workers: masks, previews that
   nobody sees, and the files of the cache, because keeping one looks at all others in its folder.
5. **The size of the result.** Per concept, edits and prototypes of the gate grow by
   {erasure},
   and each sampling step compares each token with all prototypes.
6. **The list**: 20,000 targets and synonyms are read at most.

The network does not break first: see its column above.
"""


def page(inputs: list[Inputs], room: list[dict]) -> str:
    return "\n".join([HEAD, _time(inputs), _memory(inputs), _room(room), _breaks(inputs)])


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def _name(each: Inputs) -> str:
    return FAMILIES[each.name].name


def _time(inputs: list[Inputs]) -> str:
    first, counted = inputs[0], inputs[0].counted
    formula = FORMULA.format(
        fast=f"{first.images_per_concept('fast'):.2f}",
        exact=f"{first.images_per_concept('exact'):.2f}",
        draw=counted["draw"],
        images=counted["images"],
        fast_passes=counted["fast"],
        exact_passes=counted["exact"],
        backward=arithmetic.BACKWARD,
        of_image=2 * counted["steps"],
    )
    columns = [(cards, method) for method in ("fast", "exact") for cards in CARDS]
    head = ["family", "s, assumed", *(f"{cards} GPUs, {method}, h" for cards, method in columns)]
    rows = [
        [_name(each), f"{ASSUMED[each.name]}", *(f"{each.card_hours(*column):.1f}" for column in columns)]
        for each in inputs
    ]
    parts = list(inputs[0].driver_hours())
    hours = [
        [_name(each), *(f"{each.driver_hours()[part]:.1f}" for part in parts)]
        + [f"{sum(each.driver_hours().values()):.1f}"]
        for each in inputs
    ]
    driver = DRIVER.format(prompts=counted["prompts"])
    return "\n".join([formula, _table(head, rows), "", driver, _table(["family", *parts, "all"], hours), ""])


def _memory(inputs: list[Inputs]) -> str:
    gib = arithmetic.GIB
    head = ["family", "cached images, MiB", "LoRA, MiB", "driver's memory, MiB"]
    head += [f"{CONCEPTS:,}: driver, GiB", "cached, GiB", "network, GiB", "at 10 Gbit/s, min", "erasure, MiB"]
    rows = []
    for each in inputs:
        cached = each.driver["images_mib"] + each.driver["lora_mib"]
        minutes = each.network_gib() * 8 * 1.0737 / 10 / 60
        rows.append(
            [
                _name(each),
                f"{each.driver['images_mib']:.1f}",
                f"{each.driver['lora_mib']:.1f}",
                f"{each.driver_mib():.0f}",
                f"{CONCEPTS * each.driver_mib() / gib:,.0f}",
                f"{CONCEPTS * cached / gib:,.0f}",
                f"{each.network_gib():,.0f}",
                f"{minutes:.0f}",
                f"{each.erasure_mib():,.0f}",
            ]
        )
    return "\n".join([MEMORY, _table(head, rows), ""])


def _room(room: list[dict]) -> str:
    columns = ("own", "others", "never_named")
    rows = "\n".join(
        f"| {each['concepts']} | {each['concepts'] / each['d']:.2f} "
        f"| {' | '.join(f'{each[column]:.2f}' for column in columns)} |"
        for each in room
    )
    crossing = next(each for each in room if each["others"] > each["own"])
    share = crossing["concepts"] / crossing["d"]
    return ROOM.format(d=room[0]["d"], rows=rows, crossing=crossing["concepts"], share=share)


def _range(numbers: Iterable[float]) -> str:
    known = sorted(round(number) for number in numbers)
    return f"{known[0]} to {known[-1]}"


def _breaks(inputs: list[Inputs]) -> str:
    limits = [each.limits() for each in inputs]
    rows = "\n".join(
        f"| {what} | {' | '.join(f'{limit[what]:,.0f}' for limit in limits)} |" for what in limits[0]
    )
    grows = [each.driver["edit_mib"] + each.driver["gate_mib"] for each in inputs]
    erasure = ", ".join(f"{mib:.2f} MiB ({_name(each)})" for mib, each in zip(grows, inputs, strict=True))
    families = " | ".join(map(_name, inputs))
    return BREAKS.format(
        families=families,
        bars="|".join("---" for _ in inputs),
        rows=rows,
        cache=arithmetic.CACHE_GIB,
        erasure=erasure,
        balanced=_range(each.balanced() for each in inputs),
    )
