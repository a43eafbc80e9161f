"""Computes the figures of `make results` (percent) from the share of images that show each concept."""

from collections.abc import Mapping, Sequence

from dev.bench.bench import mean
from dev.bench.erasures import UNEDITED
from dev.mass.plan import of_kind, splits
from dev.results.plan import METHODS, PROBED
from mace_core.evaluation.metrics import h_o

COLUMNS = ("acc_e", "acc_s", "acc_g", "h_o", "acc_s_before", "h_o_relative")


def objects(results: Mapping) -> dict[str, dict[str, dict[str, float]]]:
    """Method -> class, or "average" -> its row, as in the paper's table 1."""
    before = results[f"objects, {UNEDITED}, all"]["names"]
    found = {}
    for method in METHODS:
        rows = {
            name: _object(results[f"objects, {method}, {name}"], before, name) for name in splits()["objects"]
        }
        rows["average"] = {each: mean(row[each] for row in rows.values()) for each in COLUMNS}
        found[method] = rows
    return found


def _object(result: Mapping, before: Mapping[str, float], name: str) -> dict[str, float]:
    kept = [each for each in result["names"] if each != name]
    acc_e, acc_g = result["names"][name], result["synonyms"][name]
    acc_s, acc_s_before = (mean(shares[each] for each in kept) for shares in (result["names"], before))
    relative = min(1.0, acc_s / acc_s_before)
    values = acc_e, acc_s, acc_g, h_o(acc_e, acc_s, acc_g), acc_s_before, h_o(acc_e, relative, acc_g)
    return dict(zip(COLUMNS, (100 * value for value in values), strict=True))


def styles(results: Mapping) -> dict[str, dict[str, dict[str, float]]]:
    """Method -> erased style -> images that show it, objects and other styles, before and after."""
    before, split = results[f"styles, {UNEDITED}, all"], splits()["styles"]
    return {
        method: {
            style: _style(style, before, results[f"styles, {method}, {style}"], each["keep"])
            for style, each in split.items()
        }
        for method in METHODS
    }


def _style(style: str, before: Mapping, after: Mapping, keep: Sequence[str]) -> dict[str, float]:
    groups = {"style": [style], "objects": of_kind(keep, "object"), "others": of_kind(keep, "style")}
    return {
        f"{group}_{side}": 100 * mean(shares[name] for name in names)
        for group, names in groups.items()
        for side, shares in (("before", before), ("after", after))
    }


def robustness(results: Mapping) -> dict[str, dict[str, dict[str, float]]]:
    """Attack -> method -> images that show the probed concepts after erasure; "unedited": before."""
    found: dict[str, dict] = {}
    for method in METHODS:
        runs = [results[f"robustness, {method}, {name}"] for name in PROBED]
        for attack in runs[0]:
            done = [run[attack]["top1"] for run in runs if run[attack]["concepts"]]
            if done:
                row = found.setdefault(attack, {UNEDITED: 100 * mean(each["before"] for each in done)})
                row[method] = 100 * mean(each["after"] for each in done)
    return found
