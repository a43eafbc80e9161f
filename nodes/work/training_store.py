"""Stage 2 with a memory: what was trained before is read, the rest is trained and kept as it is finished."""

from dataclasses import asdict

from ...mace_core.files.store import Finished, find, keep_together, key_of
from ...mace_core.training.lora_file import pack_lora, unpack_lora
from ..host.fingerprints import is_told, model_fingerprint
from ..host.progress import Progress, TimedProgress
from ..host.stores import store_of, without_refinement
from .training import steps_of, train_all

TRAINING = 2  # raise it when the same settings train another LoRA than before


def trained(refined, encoder, items, settings, method) -> list[tuple]:
    """(ConceptLoRA, losses) for every item, in order; `settings` has one TrainSettings an item.

    Nothing is kept of a MODEL whose patches cannot be told apart.
    """
    model = without_refinement(refined, [concept for concept, _ in items])
    store, keys = store_of("concepts"), _keys(model, encoder, items, settings, method)
    told = Progress("Train LoRA", 1)
    results, missing = {}, {}
    for item, key, chosen in zip(items, keys, settings, strict=True):
        target = item[0].target
        kept = find(store, target, key, told.warn) if key else None
        if kept:
            results[target] = unpack_lora(*kept)
        else:
            missing.setdefault(chosen, []).append((item, key))
    if results:
        told.say(f"{len(results)} of {len(items)} concepts were trained before")
    progress = TimedProgress(
        "Train LoRA", sum(steps_of(method, chosen) * len(group) for chosen, group in missing.items())
    )
    for chosen, group in missing.items():
        done = train_all(
            model,
            encoder,
            [item for item, _ in group],
            chosen,
            method,
            progress,
            lambda start, fresh, group=group: _keep(store, group[start:], fresh),
        )
        results |= {item[0].target: result for (item, _), result in zip(group, done, strict=True)}
    return [results[concept.target] for concept, _ in items]


def _keep(store, group, fresh) -> None:
    """What was trained in one batch, together: its last bits depend on who was in it, so a run after a kill
    must find all of it, or train all of it again."""
    results = [
        Finished(item[0].target, key, *pack_lora(*result))
        for (item, key), result in zip(group, fresh, strict=False)
        if key
    ]
    if results:
        keep_together(store, results)


def _keys(model, encoder, items, settings, method) -> list[str | None]:
    """What each concept's LoRA depends on: nothing about the other concepts is among it."""
    network = model_fingerprint(model)
    if network is None or not is_told(encoder.fingerprint):
        return [None] * len(items)
    return [
        key_of(
            training=TRAINING,
            encoder=encoder.fingerprint,
            network=network,
            concept=asdict(concept),
            settings=asdict(chosen),
            method=method,
            latents=images.latents,
            masks=images.masks,
        )
        for (concept, images), chosen in zip(items, settings, strict=True)
    ]
