"""The types on this pack's wires, the one category every node is found in, and what nodes do with inputs."""

import inspect

from comfy_api.latest import io

CATEGORY = "MACE"
PRESET = (
    "own values: those of this node. paper, published code: the authors' for the kinds and the number "
    "of the concepts, in place of preserve_weight and ridge. Those for people and styles need a prior."
)

Concepts = io.Custom("MACE_CONCEPTS")
Prior = io.Custom("MACE_PRIOR")
TrainingSet = io.Custom("MACE_TRAINING_SET")
ConceptLoRAs = io.Custom("MACE_CONCEPT_LORAS")
Erasure = io.Custom("MACE_ERASURE")
LossMap = io.Custom("LOSS_MAP")


def found_as(*words: str) -> dict:
    """Other words a node is found by, for `io.Schema` on hosts whose search knows them."""
    return {"search_aliases": list(words)} if "search_aliases" in io.Schema.__dataclass_fields__ else {}


def expert(kind: type, *args, **kwargs):
    """An input for experts: behind 'advanced' on hosts that know the word, an ordinary one on the others."""
    if "advanced" in inspect.signature(kind.Input.__init__).parameters:
        kwargs["advanced"] = True
    return kind.Input(*args, **kwargs)


def at_least(value, least, what: str):
    """For `validate_inputs`: True, or one sentence. None is a value that arrives on a wire later."""
    if value is None or value >= least:
        return True
    return f"{what} is {value}, but must be at least {least}: raise it."


def listed(value) -> list:
    """An input of a node that takes lists whole, also where it is called with a plain value."""
    return value if isinstance(value, list) else [value]


def only(value, what: str):
    """The one value of such an input, which may be repeated."""
    first, *others = listed(value)
    if any(each is not first and each != first for each in others):
        raise ValueError(f"{what} came as a list of {len(others) + 1} that differ: connect one.")
    return first
