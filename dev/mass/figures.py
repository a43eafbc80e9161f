"""Computes the figures of docs/results/mass.md (percent) from the share of images that show each concept."""

from collections.abc import Mapping, Sequence

from dev.bench.bench import mean
from dev.bench.erasures import AVERAGED, EXACT, FULL, REFINED, UCE, UNEDITED, UNFOCUSED
from dev.mass.plan import BESIDE_UCE, COUNTS, KINDS, PERSONS, of_kind, of_mixed, splits
from mace_core.evaluation.metrics import h_c

WANTED = {"1": 96, "5": 95, "10": 94, "50": 92, "100": 89}
WANTED_PERSONS = {"1": 95, "5": 93, "10": 92, "20": 88}
WANTED_LEAD = {"1": 0, "50": 5, "100": 5}
WANTED_MIXED = 3
Shares = Mapping[str, float]


def scores(shares: Shares, before: Shares, erase: Sequence[str], keep: Sequence[str]) -> dict[str, float]:
    """Acc_e, Acc_s and H_c in percent.

    "relative" divides Acc_s by the original model's Acc_s on the same preserved concepts, and caps it at 1.
    """
    acc_e, acc_s, acc_s_before = (
        mean(side[name] for name in names)
        for side, names in ((shares, erase), (shares, keep), (before, keep))
    )
    found = {
        "acc_e": acc_e,
        "acc_s": acc_s,
        "acc_s_before": acc_s_before,
        "h_c": h_c(acc_e, acc_s),
        "h_c_relative": h_c(acc_e, min(1.0, acc_s / acc_s_before)),
    }
    return {name: round(100 * value, 2) for name, value in found.items()}


def figures(results: Mapping[str, Mapping]) -> dict[str, dict]:
    """The figures of all tables, from the results of the tasks in dev/mass/plan.py."""
    told, before = splits(), results[f"{UNEDITED}, all"]

    def of(method: str, name: str, split: Mapping) -> dict[str, float]:
        return scores(results[f"{method}, {name}"], before, split["erase"], split["keep"])

    mass = {count: of(FULL, f"mass {count}", told["mass"][count]) for count in COUNTS}
    persons = {
        count: of(FULL, f"persons {count}", split) | _namesakes(results, before, count, split)
        for count, split in told["persons"].items()
    }
    return {
        "mass": mass,
        "uce": {count: of(UCE, f"mass {count}", told["mass"][count]) for count in BESIDE_UCE},
        "persons": {count: persons[count] for count in PERSONS},
        "ablation": {
            method: of(method, "mass 100", told["mass"]["100"])
            for method in (REFINED, AVERAGED, UNFOCUSED, FULL, EXACT)
        },
        "mixed": {kind: _mixed(results, told["mixed"]["all"], kind) for kind in KINDS},
        "seconds": results["seconds"],
        "memory": results["memory"],
    }


def _namesakes(results: Mapping, before: Shares, count: str, split: Mapping) -> dict[str, float]:
    """Percentage of images that show people who share a name with an erased person, before and after."""
    after, names = results[f"{FULL}, persons {count}"], split["namesakes"]
    if not names:
        return {}
    return {
        side: round(100 * mean(shares[name] for name in names), 2)
        for side, shares in (("namesakes", after), ("namesakes_before", before))
    }


def _mixed(results: Mapping, split: Mapping, kind: str) -> dict[str, float]:
    """H_c relative of a kind in the mixed run ("together") and when it is erased alone ("alone")."""
    names = [of_kind(split[side], kind) for side in ("erase", "keep")]
    before, *after = (results[name] for name in of_mixed(kind))
    together, alone = (scores(shares, before, *names) for shares in after)
    return {
        "erased": len(names[0]),
        "together": together["h_c_relative"],
        "alone": alone["h_c_relative"],
        "acc_e": together["acc_e"],
        "acc_s": together["acc_s"],
    }
