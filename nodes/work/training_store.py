"""Stage 2 with a cache: LoRAs that were trained before are read, the others are trained and cached."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from ...mace_core.files.hashes import values_hash
from ...mace_core.files.store import Finished, Store, find, keep_together
from ...mace_core.training.lora import pack_lora, unpack_lora
from ...mace_core.training.settings import TrainSettings
from ..host.fingerprints import is_told, model_fingerprint
from ..host.progress import Progress, TimedProgress
from ..host.stores import store_of, without_refinement
from .remote import Workers, sent_out, workers_for
from .training import Item, Result, groups_of, label_of, steps_of, train_all

TRAINING = 3  # raise it when the same settings give another LoRA


def trained(
    refined,
    encoder,
    items: Sequence[Item],
    settings: Sequence[TrainSettings],
    method: str,
    prompt: Mapping | None = None,
) -> list[Result]:
    """The result of every item, in order; ``settings`` has one entry per item, prompt: the graph, if the node
    runs in one.

    Nothing is cached for a MODEL or CLIP without a fingerprint that another run would repeat.
    """
    model = without_refinement(refined, [item.concept for item in items])
    store, keys = store_of("concepts"), _keys(model, encoder, items, settings, method)
    progress = Progress("Train LoRA", 1)
    warn = progress.warn  # of one Progress, which says each sentence once
    results: dict[str, Result] = {}
    missing: dict[TrainSettings, list[Item]] = {}
    for item, own in zip(items, settings, strict=True):
        target, key = item.concept.target, keys.get(item.concept.target)
        if key and (kept := find(store, target, key, warn, unpack_lora)):
            results[target] = kept
        else:
            group = missing.setdefault(own, [])
            group.append(Item(item.concept, item.images, len(group) + 1))
    progress.cached(len(results), len(items))
    steps = sum(steps_of(method, own) * len(group) for own, group in missing.items())
    progress = TimedProgress("Train LoRA", steps)
    with workers_for(prompt, bool(missing), warn, model, encoder) as workers:
        for own, wanted in missing.items():
            if workers:
                made = _on_workers(workers, groups_of(model, wanted, method), own, method, progress)
            else:
                made = train_all(model, encoder, wanted, own, method, progress)
            for group, fresh in made:
                # Together, because the last bits of a LoRA depend on the others in its batch: after a kill,
                # the next run must find the whole batch, or train all of it again.
                _keep(store, keys, group, fresh, warn)
                results |= {item.concept.target: result for item, result in zip(group, fresh, strict=True)}
    return [results[item.concept.target] for item in items]


def _on_workers(
    workers: Workers, groups: Sequence[Sequence[Item]], settings: TrainSettings, method: str, progress
) -> Iterator[tuple[Sequence[Item], Sequence[Result]]]:
    total = sum(map(len, groups))
    progress.say(sent_out(total))
    for group, fresh in workers.trained(groups, settings, method):
        progress.step(label_of(group, total), steps_of(method, settings) * len(group))
        yield group, fresh


def _keep(
    store: Store,
    keys: dict[str, str],
    group: Sequence[Item],
    fresh: Sequence[Result],
    report: Callable[[str], None],
) -> None:
    targets = [item.concept.target for item in group]
    if finished := [
        Finished(target, keys[target], *pack_lora(*result))
        for target, result in zip(targets, fresh, strict=True)
        if target in keys
    ]:
        keep_together(store, finished, report)


def _keys(
    model, encoder, items: Sequence[Item], settings: Sequence[TrainSettings], method: str
) -> dict[str, str]:
    """Target -> a hash of everything its LoRA depends on, which is nothing of the other concepts."""
    network = model_fingerprint(model)
    if network is None or not is_told(encoder.fingerprint):
        return {}
    return {
        item.concept.target: values_hash(
            training=TRAINING,
            encoder=encoder.fingerprint,
            network=network,
            concept=item.concept.to_json(),
            settings=own.to_json(),
            method=method,
            latents=item.images.latents,
            masks=item.images.masks,
        )
        for item, own in zip(items, settings, strict=True)
    }
