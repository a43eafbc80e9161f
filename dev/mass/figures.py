"""Computes the figures of docs/results/mass.md (percent) from the share of images that show each concept."""

from collections.abc import Mapping, Sequence

from dev.bench.bench import mean
from dev.bench.erasures import EXACT, FULL, LINEAR, RIDGED, UCE, UNEDITED
from dev.bench.errors import error
from dev.mass.plan import ABLATION, BESIDE, COUNTS, KINDS, LEFT, PERSONS, of_kind, of_mixed, splits
from mace_core.evaluation.metrics import h_c

# required, in percent: [never named, erased, synonyms, named], shares of the original model's but for erased
WANTED = {"1": (99, 2, 10, 99), "10": (99, 3, 10, 98), "50": (98, 4, 12, 97), "100": (96, 4, 12, 96)}
WANTED_NAMESAKES = 95
WANTED_MIXED = 3
WANTED_EXACT = 3  # the most that the exact trainer may lose against the fast one, of H_c relative
Shares = Mapping[str, float]
Split = Mapping[str, Sequence[str]]


def scores(shares: Shares, before: Shares, split: Split) -> dict[str, float]:
    """Percent, of a split with `erase`, `keep` and, if not empty, `never`.

    acc_e, acc_s, h_c: as in the paper, over `keep`; h_c_relative: with Acc_s divided by the original model's,
    at most 1. never, never_before: Acc_s of what nobody named; never_share: of the original model's, at most
    100. An `_error` is one standard error over the concepts, named_error of the change of Acc_s.
    """
    acc_e, acc_s, acc_s_before = (
        mean(side[name] for name in names)
        for side, names in ((shares, split["erase"]), (shares, split["keep"]), (before, split["keep"]))
    )
    found = {
        "acc_e": acc_e,
        "acc_s": acc_s,
        "acc_s_error": error([shares[name] for name in split["keep"]]),
        "acc_s_before": acc_s_before,
        "named_error": error([shares[name] - before[name] for name in split["keep"]]),
        "h_c": h_c(acc_e, acc_s),
        "h_c_relative": h_c(acc_e, min(1.0, acc_s / acc_s_before)),
    }
    if len(split["erase"]) > 1:
        found["acc_e_error"] = error([shares[name] for name in split["erase"]])
    if names := split.get("never"):
        never, never_before = (mean(side[name] for name in names) for side in (shares, before))
        found |= {
            "never": never,
            "never_before": never_before,
            "never_share": min(1.0, never / never_before),
            "never_error": error([shares[name] - before[name] for name in names]),
        }
    return {name: round(100 * value, 2) for name, value in found.items()}


def figures(results: Mapping[str, Mapping], *sections: str) -> dict[str, dict]:
    """The figures of some SECTIONS of the page, or of all, from the results of their tasks."""
    found: dict[str, dict] = {}
    for section in sections or FIGURES:
        found |= FIGURES[section](results)
    return found


def _objects(results: Mapping) -> dict[str, dict]:
    def with_synonyms(method: str, count: str) -> dict[str, float]:
        retold = list(results.get(f"{method}, synonyms {count}", {}).values())
        said = {"synonyms": mean(retold), "synonyms_error": error(retold)} if retold else {}
        return _mass(results, method, count) | {name: round(100 * value, 2) for name, value in said.items()}

    methods = (
        ("mass", FULL, COUNTS),
        ("linear", LINEAR, BESIDE),
        ("uce", UCE, BESIDE),
    )
    found = {
        key: {count: with_synonyms(method, count) for count in counts} for key, method, counts in methods
    }
    ridged = {
        f"{ridge:g}": {count: _mass(results, method, count) for count in BESIDE}
        for method, ridge in RIDGED.items()
    }
    return found | {"ridged": ridged}


def _mass(results: Mapping, method: str, count: str) -> dict[str, float]:
    shares, before = results[f"{method}, mass {count}"], results[f"{UNEDITED}, all"]
    if count == "100":  # the larger sample
        shares, before = (
            first | results[f"{which}, {LEFT}"] for first, which in ((shares, method), (before, UNEDITED))
        )
    return scores(shares, before, splits()["mass"][count])


def _persons(results: Mapping) -> dict[str, dict]:
    told, before = splits()["persons"], results[f"{UNEDITED}, all"]
    found = {}
    for count in PERSONS:
        found[count] = scores(results[f"{FULL}, persons {count}"], before, told[count])
        found[count] |= _namesakes(results, count, told[count])
    return {"persons": found}


def _ablation(results: Mapping) -> dict[str, dict]:
    return {"ablation": {method: _mass(results, method, "100") for method in (*ABLATION, FULL)}}


def _trainers(results: Mapping) -> dict[str, dict]:
    return {"exact": {count: _mass(results, EXACT, count) for count in BESIDE}}


def _kinds(results: Mapping) -> dict[str, dict]:
    split = splits()["mixed"]["all"]
    return {"mixed": {kind: _mixed(results, split, kind) for kind in KINDS}}


def _costs(results: Mapping) -> dict[str, dict]:
    return {"seconds": results["seconds"], "memory": results["memory"]}


def _namesakes(results: Mapping, count: str, split: Mapping) -> dict[str, float]:
    """Percentage of images that show people whom nobody named and who share a name with an erased person."""
    names = [name for name in split["namesakes"] if name in split["never"]]
    sides = ("namesakes", f"{FULL}, persons {count}"), ("namesakes_before", f"{UNEDITED}, all")
    if not names:
        return {}
    return {side: round(100 * mean(results[task][name] for name in names), 2) for side, task in sides}


def _mixed(results: Mapping, split: Mapping, kind: str) -> dict[str, float]:
    """H_c relative of a kind in the mixed run ("together") and when it is erased alone ("alone")."""
    part = {side: of_kind(split[side], kind) for side in ("erase", "keep", "never")}
    before, *after = (results[name] for name in of_mixed(kind))
    together, alone = (scores(shares, before, part) for shares in after)
    return {
        "erased": len(part["erase"]),
        "together": together["h_c_relative"],
        "alone": alone["h_c_relative"],
        **{name: value for name, value in together.items() if name.startswith(("never", "acc"))},
    }


FIGURES = {
    "objects": _objects,
    "persons": _persons,
    "ablation": _ablation,
    "trainers": _trainers,
    "mixed": _kinds,
    "costs": _costs,
}
