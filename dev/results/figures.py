"""Computes the figures of `make results` (percent) from the share of images that show each concept.

An `_error` is one standard error over the concepts (dev/bench/errors.py).
"""

from collections.abc import Mapping, Sequence

from dev.bench.bench import mean
from dev.bench.erasures import FULL, UNEDITED
from dev.bench.errors import error, paired, share_of_before
from dev.mass.plan import splits
from dev.miniature.splits import NARROWER
from dev.results.plan import FIRST, FORMS, METHODS, PROBED, TOGETHER, asked, by_kind
from mace_core.evaluation.metrics import h_o

Row = dict[str, float]
COLUMNS = ("never", "acc_e", "acc_s", "acc_g")  # that are compared with the default


def objects(results: Mapping) -> dict[str, dict[str, dict]]:
    """methods: method -> class, or "average" -> its row, as in the paper's table 1; compared: method ->
    column -> its difference from the default."""
    before, split = results[f"objects, {UNEDITED}, all"]["names"], splits()["objects"]
    found, shares = {}, {}
    for method in FORMS:
        runs = {name: results[f"objects, {method}, {name}"] for name in split}
        rows = {name: _object(runs[name], before, name, split[name]) for name in split}
        shares[method] = _by_concept(runs, split)
        found[method] = rows | {"average": _average(rows, shares[method], before)}
    compared = {
        method: {column: paired(shares[method][column], shares[FULL][column]) for column in COLUMNS}
        for method in FORMS
        if method != FULL
    }
    return {"methods": found, "compared": compared}


def _object(result: Mapping, before: Mapping[str, float], name: str, split: Mapping) -> Row:
    shares, kept = result["names"], split["keep"]
    never, never_error = share_of_before(shares, before, split["never"])
    acc_e, acc_g = shares[name], result["synonyms"][name]
    acc_s, acc_s_before = (mean(each[name] for name in kept) for each in (shares, before))
    return {"never": never, "never_error": never_error} | _percent(
        acc_e=acc_e,
        acc_s=acc_s,
        acc_s_error=error([shares[name] for name in kept]),
        acc_g=acc_g,
        h_o=h_o(acc_e, acc_s, acc_g),
        acc_s_before=acc_s_before,
        h_o_relative=h_o(acc_e, min(1.0, acc_s / acc_s_before), acc_g),
    )


def _by_concept(runs: Mapping[str, Mapping], split: Mapping[str, Mapping]) -> dict[str, dict[str, float]]:
    """Column -> concept -> its share, the mean over the runs that ask for it."""

    def over_runs(side: str) -> dict[str, float]:
        names = dict.fromkeys(name for each in split.values() for name in each[side])
        asked = {name: [run for run, each in split.items() if name in each[side]] for name in names}
        return {name: mean(runs[run]["names"][name] for run in asked[name]) for name in names}

    return {
        "never": over_runs("never"),
        "acc_e": over_runs("erase"),
        "acc_s": over_runs("keep"),
        "acc_g": {name: run["synonyms"][name] for name, run in runs.items()},
    }


def _average(rows: Mapping[str, Row], shares: Mapping[str, Mapping], before: Mapping[str, float]) -> Row:
    """The mean over the classes, with errors over the concepts."""
    found = {column: mean(row[column] for row in rows.values()) for column in next(iter(rows.values()))}
    never, never_error = share_of_before(shares["never"], before, list(shares["never"]))
    errors = {
        f"{column}_error": error(list(shares[column].values())) for column in ("acc_e", "acc_s", "acc_g")
    }
    return found | {"never": never, "never_error": never_error} | _percent(**errors)


def styles(results: Mapping) -> dict[str, dict[str, dict[str, Row]]]:
    """methods: method -> erased style -> its row."""
    before, split = results[f"styles, {UNEDITED}, all"], splits()["styles"]
    return {
        "methods": {
            method: {
                style: _style(style, before, results[f"styles, {method}, {style}"], each)
                for style, each in split.items()
            }
            for method in FORMS
        }
    }


def _style(style: str, before: Mapping, after: Mapping, split: Mapping) -> Row:
    """Shares of before; `never` is about objects, `styles` about styles, as `named_styles` is."""
    found: Row = {"style_before": 100 * before[style], "style_after": 100 * after[style]}
    objects, looks = by_kind(split["never"])
    named, named_looks = by_kind(split["keep"])
    for group, names in (
        ("never", objects),
        ("never_styles", looks),
        ("named", named),
        ("named_styles", named_looks),
    ):
        found[group], found[f"{group}_error"] = share_of_before(after, before, names)
    return found


def robustness(results: Mapping) -> dict[str, dict]:
    """attacks: attack -> method -> images that show the probed concepts after erasure, and their error;
    "unedited": before. never: method -> what nobody named."""
    found: dict[str, dict] = {}
    for method in METHODS:
        runs = [results[f"robustness, {method}, {name}"] for name in PROBED]
        for attack in runs[0]:
            done = [run[attack]["top1"] for run in runs if run[attack]["concepts"]]
            if done:
                row = found.setdefault(attack, {UNEDITED: _measured([each["before"] for each in done])})
                row[method] = _measured([each["after"] for each in done])
    before = results[f"never, {UNEDITED}, all"]
    never = {}
    for method in METHODS:
        shares = results[f"never, {method}, {FIRST}"]
        never[method] = dict(
            zip(("value", "error"), share_of_before(shares, before, list(before)), strict=True)
        )
    return {"attacks": found, "never": never}


def related(results: Mapping) -> dict[str, dict]:
    """names, colours, pairs: method -> its row. Shares of before; `erased` and `before_`: of all images."""
    split, methods = splits()["related"], (UNEDITED, *FORMS)
    together = {side: split[TOGETHER][side] for side in ("never", "keep", "erase")}
    before = results[f"related, {UNEDITED}, all"]
    return {
        "names": {method: _wider_and_narrower(results, method, before, split) for method in FORMS},
        "colours": {
            method: _colours(results[f"colours, {method}"], results[f"colours, {UNEDITED}"], together)
            for method in methods
        },
        "pairs": {
            method: _pairs(results[f"pairs, {method}"], results[f"pairs, {UNEDITED}"], together)
            for method in methods
        },
    }


def _wider_and_narrower(results: Mapping, method: str, before: Mapping, split: Mapping) -> Row:
    """narrower: what is shown of the narrower names when the wider one is erased; wider: the other way
    round."""
    found: Row = {}
    for group, wide_erased in (("narrower", True), ("wider", False)):
        links = [
            (erased, name)
            for erased, each in split.items()
            if erased != TOGETHER and (erased in NARROWER) == wide_erased
            for name in each["never"]
        ]
        after = {link: results[f"related, {method}, {link[0]}"][link[1]] for link in links}
        was = {link: before[link[1]] for link in links}
        found[group], found[f"{group}_error"] = share_of_before(after, was, links)
    return found


def _colours(after: Mapping, before: Mapping, together: Mapping) -> Row:
    """What is seen of objects, and of the colours behind them: never named, named, erased."""
    found: Row = {}
    for side, names in together.items():
        names = [name for name in names if name in after]
        for what in ("object", "colour"):
            shares, was = ({name: each[name][what] for name in names} for each in (after, before))
            if (side, what) == ("erase", "object"):
                found |= _shown("erased", list(shares.values()))
            else:
                found[f"{side}_{what}"], found[f"{side}_{what}_error"] = share_of_before(shares, was, names)
            found[f"before_{side}_{what}"] = 100 * mean(was.values())
    return found


def _pairs(after: Sequence, before: Sequence, together: Mapping) -> Row:
    """What is seen of both objects of a pair: partners that nobody named, partners in the prior, erased."""
    seen, was = (_by_object(each) for each in (after, before))
    found: Row = {}
    for side in ("never", "keep"):
        names = [name for name in seen if name in together[side]]
        found[side], found[f"{side}_error"] = share_of_before(seen, was, names)
        found[f"before_{side}"] = 100 * mean(was[name] for name in names)
    return found | _shown("erased", [seen[name] for name in together["erase"]])


def _by_object(shares: Sequence[Sequence[float]]) -> dict[str, float]:
    """Object -> its share over the pairs that it is in."""
    found: dict[str, list[float]] = {}
    for pair, both in zip(asked("pairs"), shares, strict=True):
        for name, share in zip(pair, both, strict=True):
            found.setdefault(name, []).append(share)
    return {name: mean(each) for name, each in found.items()}


def _shown(group: str, shares: Sequence[float]) -> Row:
    return {group: 100 * mean(shares), f"{group}_error": 100 * error(shares)}


def _measured(shares: Sequence[float]) -> Row:
    return {"value": 100 * mean(shares), "error": 100 * error(list(shares))}


def _percent(**shares: float) -> Row:
    return {name: 100 * share for name, share in shares.items()}
