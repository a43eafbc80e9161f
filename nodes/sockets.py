"""The types on this pack's wires, the category of its nodes, and helpers for values that arrive."""

from typing import Any

from comfy_api.latest import io

CATEGORY = "MACE"

Concepts = io.Custom("MACE_CONCEPTS")
Prior = io.Custom("MACE_PRIOR")
TrainingSet = io.Custom("MACE_TRAINING_SET")
ConceptLoRAs = io.Custom("MACE_CONCEPT_LORAS")
Erasure = io.Custom("MACE_ERASURE")
LossMap = io.Custom("LOSS_MAP")


def found_as(*words: str) -> dict:
    """Search aliases of a node, as arguments for `io.Schema`."""
    return _supported(search_aliases=list(words))


def shows_results() -> dict:
    """For a node that shows images or text but does not run by itself, as arguments for `io.Schema`.

    A host that supports this sends them again in a run that finds the node's results in its cache: without
    that, the node would stay empty after the page was reloaded.
    """
    return _supported(has_intermediate_output=True)


def _supported(**fields: object) -> dict:
    """The arguments for `io.Schema` that this host knows."""
    return {name: value for name, value in fields.items() if name in io.Schema.__dataclass_fields__}


def prompt_of(node: type[io.ComfyNode]) -> dict | None:
    """The graph in which a node with `hidden=[io.Hidden.prompt]` runs; None if it is called without one."""
    return node.hidden.prompt if node.hidden else None


def at_least(value, least, what: str) -> bool | str:
    """For `validate_inputs`: True, or the error.

    None stands for a value that arrives on a wire later. A value that is no number the host refuses itself.
    """
    if not isinstance(value, (int, float)) or value >= least:
        return True
    return f"{what} is {value}, but must be at least {least}: raise it."


def listed(value) -> list:
    """An input as a list: as a node with `is_input_list` gets it, or a plain value as the only entry."""
    return value if isinstance(value, list) else [value]


def only(value, what: str) -> Any:
    """The single value of an input of `listed`, which may repeat it. ValueError if the values differ."""
    first, *others = listed(value)
    if any(each is not first and each != first for each in others):
        raise ValueError(
            f"{what} is a list of {len(others) + 1} values that differ, but must be one value: connect one."
        )
    return first
