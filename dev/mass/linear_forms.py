"""The linear forms that `python -m dev.mass.linear` tries, and what each does to the tuning split."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

import torch

from dev.bench.bench import Bench
from dev.bench.erasures import AVERAGED, CLOSED, LINEAR, REFINED, Material, average, preserved, train
from dev.bench.tasks import Task
from dev.mass.plan import of_kind, splits
from mace_core.concepts.captions import everyday_captions
from mace_core.concepts.concepts import contains
from mace_core.refinement.refine import PRESERVE_WEIGHT, RIDGE

WORK = "dev.mass.linear_forms"
HEAVILY, SINGLY = "heavy prior, ", "alone, gated, relative ridge "  # in names of tasks
SINGLE = (0.0, 0.05, 0.2, 0.5)
SIDES = ("never", "erase", "synonyms", "keep")


@dataclass(frozen=True)
class Form:
    """One linear form. preserve_weight, ridge, relative_ridge: of stages 1 and 3; everyday: the weight of the
    everyday captions beside the names; kept: dimensions of the prior's principal subspace that the edit must
    not touch, 0 for none; gated: applied with the gate; method: as in the ablation, LINEAR for all stages."""

    preserve_weight: float = PRESERVE_WEIGHT
    ridge: float = RIDGE
    relative_ridge: float = 0.0
    everyday: float = 0.0
    kept: int = 0
    gated: bool = False
    method: str = LINEAR


HEAVY = 1000 * PRESERVE_WEIGHT  # so heavy a prior that refinement alone leaves most concepts standing
REGIME = {
    method: Form(preserve_weight=HEAVY, method=method) for method in (REFINED, AVERAGED, CLOSED, LINEAR)
}
FORMS = {
    "as in the paper (no relative ridge)": Form(),
    **{f"relative ridge {value:g}": Form(relative_ridge=value) for value in (0.05, 0.2, 0.5, 1.0)},
    "prior x 10": Form(preserve_weight=10 * PRESERVE_WEIGHT),
    **{f"everyday captions, weight {value:g}": Form(everyday=value) for value in (1.0, 10.0)},
    **{f"null space, {value} dimensions kept": Form(everyday=1.0, kept=value) for value in (67, 90)},
    "relative ridge 0.5, everyday captions": Form(relative_ridge=0.5, everyday=1.0),
    "as in the paper, gated": Form(gated=True),
}


def shown(bench: Bench, form: Mapping) -> dict[str, dict[str, float]]:
    """For each side of the split: concept (or synonym) -> the share of images (0..1) that show it."""
    split = splits()["tuning"]["all"]
    model = linear_model(bench, Form(**form), split)
    asked = {side: [(name, name) for name in split[side]] for side in split}
    asked["synonyms"] = [(name, each) for name in split["erase"] for each in bench.concepts[name]["synonyms"]]
    return {
        side: dict(zip([phrase for _, phrase in asked[side]], bench.shares(model, asked[side]), strict=True))
        for side in SIDES
    }


def before(bench: Bench) -> dict[str, dict[str, float]]:
    """`shown` of the original model, for what must stay."""
    split = splits()["tuning"]["all"]
    return {side: bench.names(bench.model, split[side]) for side in ("never", "keep")}


def alone(bench: Bench, form: Mapping) -> dict[str, dict[str, float]]:
    """Each object of the split erased alone: its share of images (0..1) by name, and by synonym."""
    split, found = splits()["tuning"]["all"], {"erase": {}, "synonyms": {}}
    for name in of_kind(split["erase"], "object"):
        model = linear_model(bench, Form(**form), {"erase": [name], "keep": split["keep"]})
        found["erase"] |= bench.names(model, [name])
        found["synonyms"][name] = bench.synonyms(model, name)
    return found


def linear_model(bench: Bench, form: Form, split: Mapping[str, Sequence[str]]):
    """The MODEL with a form of the erasure."""
    (concepts,) = bench.run("MACE_EraseConcepts", concepts=bench.lines(split["erase"]))
    prior = _prior(bench, form, split)
    balance = {
        "preserve_weight": form.preserve_weight,
        "ridge": form.ridge,
        "relative_ridge": form.relative_ridge,
    }
    refined, erasure = bench.run(
        "MACE_CrossAttnRefine",
        model=bench.model,
        clip=bench.clip,
        concepts=concepts,
        prior=prior,
        **balance,
    )
    if form.kept:
        erasure = replace(erasure, T=_in_null_space(bench, concepts, prior.P, form).float())
    elif form.method == AVERAGED:
        erasure = average(bench, Material(prior, refined, erasure, train(bench, concepts, refined, {})))
    elif form.method != REFINED:
        loras = train(bench, concepts, refined, {})
        (erasure,) = bench.run(
            "MACE_FuseLoRAs",
            clip=bench.clip,
            refined=erasure,
            concept_loras=loras,
            prior=prior,
            **balance,
        )
    if form.method == CLOSED:
        erasure = replace(erasure, low_rank=type(erasure.low_rank)())
    mode = "gated" if form.gated else "linear"
    return bench.run("MACE_ApplyErasedModel", model=bench.model, erasure=erasure, mode=mode)[0]


def everyday(bench: Bench, erase: Sequence[str]) -> list[str]:
    """The everyday captions that name no erased concept and no synonym of one."""
    phrases = [phrase for name in erase for phrase in (name, *bench.concepts[name]["synonyms"])]
    return [
        caption for caption in everyday_captions() if not any(contains(caption, phrase) for phrase in phrases)
    ]


def _prior(bench: Bench, form: Form, split: Mapping[str, Sequence[str]]):
    named = preserved(bench, split["keep"])
    if not form.everyday:
        return named
    captions = "\n".join(everyday(bench, split["erase"]))
    return bench.run(
        "MACE_PreservePrior", clip=bench.clip, captions=captions, weight=form.everyday, other=named
    )[0]


@torch.inference_mode()
def _in_null_space(bench: Bench, concepts, P: torch.Tensor, form: Form) -> torch.Tensor:
    """T ``[d, d]`` float64 of stage 1, zero change on the `kept` principal directions of P."""
    moments = bench.host.module("mace_core.refinement.moments")
    weights = bench.host.module("mace_core.presets").own_kind_weights(concepts)
    sums = {kind: moments.MomentSum(bench.encoder, concepts) for kind in weights}
    for concept in concepts:
        sums[concept.kind].add(concept)
    made = [total.moments().times(weights[kind]) for kind, total in sums.items()]
    return null_space_refinement(
        sum(each.G for each in made), sum(each.F for each in made), P, form.kept, form.ridge
    )


def null_space_refinement(
    G: torch.Tensor, F: torch.Tensor, P: torch.Tensor, kept: int, ridge: float
) -> torch.Tensor:
    """The T ``[d, d]`` that minimises sum |T e_f - e_g|^2 + ridge |T - I|^2 among those that change
    nothing in the `kept` principal directions of P; G, F, P ``[d, d]`` float64."""
    V = torch.linalg.eigh(P).eigenvectors[:, : len(P) - kept]
    inner = V.T @ F @ V + ridge * torch.eye(V.shape[1], dtype=F.dtype)
    return torch.eye(len(P), dtype=F.dtype) + (G - F) @ V @ torch.linalg.solve(inner, V.T)


def tasks() -> list[Task]:
    """Every form, the heavy prior, and what the gated form does to one concept at a time."""
    heavy = {f"{HEAVILY}{method}": form for method, form in REGIME.items()}
    gated = {f"{SINGLY}{ridge:g}": Form(relative_ridge=ridge, gated=True) for ridge in SINGLE}
    return [
        Task("before", f"{WORK}:before", {}),
        *(Task(name, f"{WORK}:shown", {"form": asdict(form)}) for name, form in {**FORMS, **heavy}.items()),
        *(Task(name, f"{WORK}:alone", {"form": asdict(form)}) for name, form in gated.items()),
    ]
