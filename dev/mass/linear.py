"""`python -m dev.mass.linear`: tries other linear forms on the tuning split of the miniature.

Writes docs/results/linear.md. An interrupted run resumes where it stopped.
"""

import shutil
from collections.abc import Mapping, Sequence

from dev.bench.bench import mean
from dev.bench.errors import APART, error, paired, share_of_before
from dev.bench.markdown import row
from dev.bench.tasks import kept_folder, run
from dev.host.card import device_name
from dev.host.fetch import REPOSITORY
from dev.mass.linear_forms import FORMS, HEAVILY, REGIME, SINGLE, SINGLY, Form, tasks
from dev.mass.plan import splits
from mace_core.concepts.captions import everyday_captions
from mace_core.concepts.concepts import contains
from mace_core.evaluation.metrics import h_c
from mace_core.refinement.refine import RELATIVE_RIDGE

PAGE = REPOSITORY / "docs" / "results" / "linear.md"
IMAGES = 4
MOST_SHOWN = 4.0  # percent of images of erased concepts: what a linear form may still show
HEAD = """# The linear form

`python -m dev.mass.linear` writes this page. Exports, merges and saved checkpoints have the linear form of an
erasure, which changes concepts that nobody names too. The page tries other linear forms on the tuning split
of the miniature (mini/splits.json): {erase} concepts of three kinds erased at once, {keep} in the prior,
{never} that nobody names, {images} images per prompt, on {device}.
Percent; after \u00b1 one standard error over the concepts. **Gain**: never named, minus the same with the
first row, concept by concept; in bold if it is two standard errors and at most {most:g} % of the erased
concepts still show. The **bold** row is the pack's.

- **Relative ridge**: what both ridges get in addition, as a share of the mean eigenvalue of the second moment
  of the concepts' tokens.
- **Everyday captions**: added to the prior with this weight, without those that name an erased concept. They
  name {named} of the concepts in the column *never named*, which then counts the others only.
- **Null space**: stage 1 acts only where the prior and the everyday captions have least energy, T = I + (G -
  F) V (V^T F V + r I)^-1 V^T, V the eigenvectors of the prior without the largest. That is the constraint of
  SPEED (Li et al., ICLR 2026), without its filter and augmentation of captions, and without LoRAs.

| form | never named, share of before | gain | erased, still shown | synonyms | named, share of before |
|---|---|---|---|---|---|
"""


ALONE = """
## One at a time, gated

The gated erasure has the same T. Each object of the split is erased alone, with the prior above. The
differences are within the errors, but with a longer prior a ridge of 0.05 leaves a single object standing
(`tests/e2e` fails with it), so the pack's default is 0. For an export of many concepts, a small one is worth
its price ([mass](mass.md#the-price-of-an-export)). Everyday captions gain less than two errors, so they are
off by default.

| relative ridge | erased, still shown | synonyms |
|---|---|---|
"""
REGIME_HEAD = """
## The paper's ablation, with a heavy prior

In the paper (table 4), H_c of refinement only is {paper:g} at 100 celebrities, and rises in the order
refinement only, average of the LoRAs, MACE. With the pack's weights, refinement alone already erases, so the
order says little. Here the prior weighs a thousand times as much, so that refinement alone leaves most
concepts standing. H_c: harmonic mean of what no longer shows and of named, share of before. Same split, no
relative ridge.

| method | never named, share of before | erased, still shown | named, share of before | H_c |
|---|---|---|---|---|
"""
PAPER_REFINED = 46.7
REGIME_TEXT = """

Equations 2 and 7 explain it. In equation 7 the prior counts a second time, so T* undoes part of what stage 1
erased, and the LoRA of a concept is reduced to its share C_i N^-1, in which the prior weighs as much. So
under a heavy prior the fused erasure erases less than refinement only.
"""


def page(found: Mapping) -> str:
    split = splits()["tuning"]["all"]
    captions = everyday_captions()
    captioned = [name for name in split["never"] if any(contains(each, name) for each in captions)]
    counts = {side: len(split[side]) for side in split}
    head = HEAD.format(**counts, images=IMAGES, device=device_name(), most=MOST_SHOWN, named=len(captioned))
    lines = [line(name, form, found, captioned) for name, form in FORMS.items()]
    single = [alone_line(ridge, found[f"{SINGLY}{ridge:g}"]) for ridge in SINGLE]
    heavy = [regime_line(method, found[f"{HEAVILY}{method}"], found["before"]) for method in REGIME]
    parts = (
        head + "\n".join(lines),
        ALONE + "\n".join(single),
        REGIME_HEAD.format(paper=PAPER_REFINED) + "\n".join(heavy) + REGIME_TEXT,
    )
    return "\n".join(parts)


def line(name: str, form: Form, found: Mapping, captioned: Sequence[str]) -> str:
    """One row of the page; captioned: what the everyday captions name."""
    after, was, first = found[name], found["before"], found[next(iter(FORMS))]
    names = [each for each in after["never"] if not (form.everyday and each in captioned)]
    share, off = share_of_before(after["never"], was["never"], names)
    gain = paired(*({each: side["never"][each] for each in names} for side in (after, first)))
    still = 100 * mean(after["erase"].values())
    told = f"{gain['difference']:+.1f} \u00b1 {gain['error']:.1f}"
    if gain["difference"] >= APART * gain["error"] > 0 and still <= MOST_SHOWN:
        told = f"**{told}**"
    named, _ = share_of_before(after["keep"], was["keep"], list(after["keep"]))
    ours = form == Form(relative_ridge=RELATIVE_RIDGE)
    return row(
        f"**{name}**" if ours else name,
        f"{share:.1f} \u00b1 {off:.1f}",
        told,
        f"{still:.1f} \u00b1 {error([100 * each for each in after['erase'].values()]):.1f}",
        100 * mean(after["synonyms"].values()),
        named,
    )


def alone_line(ridge: float, found: Mapping) -> str:
    shares = [[100 * each for each in found[side].values()] for side in ("erase", "synonyms")]
    return row(f"{ridge:g}", *(f"{mean(each):.1f} \u00b1 {error(each):.1f}" for each in shares))


def regime_line(method: str, found: Mapping, was: Mapping) -> str:
    never, named = (share_of_before(found[side], was[side], list(was[side])) for side in ("never", "keep"))
    still = [100 * each for each in found["erase"].values()]
    return row(
        method,
        f"{never[0]:.1f} \u00b1 {never[1]:.1f}",
        f"{mean(still):.1f} \u00b1 {error(still):.1f}",
        f"{named[0]:.1f} \u00b1 {named[1]:.1f}",
        100 * h_c(mean(still) / 100, named[0] / 100),
    )


def main() -> None:
    folder = kept_folder(f"linear-{IMAGES}")
    PAGE.write_text(page(run(tasks(), folder, IMAGES)))
    shutil.rmtree(folder)
    print(PAGE.read_text())


if __name__ == "__main__":
    main()
