"""The graph around the node that runs: which checkpoint its inputs come from."""

from collections.abc import Iterable, Mapping

from comfy_execution.utils import get_executing_context

LOADER = "CheckpointLoaderSimple"
# wire -> the inputs through which it runs on, towards its loader
_ALONG = {"model": ("model", "refined"), "clip": ("clip",), "vae": ("vae",)}


def checkpoint_behind(prompt: Mapping | None, wires: Iterable[str]) -> str | None:
    """The name of the checkpoint that all these wires ("model", "clip", "vae") come from.

    None if there is another loader on the way, if a node has two such inputs, or without a graph. What the
    nodes on the way changed is not looked at.
    """
    context = get_executing_context()
    if not prompt or context is None:
        return None
    names = {_followed(prompt, context.node_id, _ALONG[wire]) for wire in wires}
    return names.pop() if len(names) == 1 else None


def _followed(prompt: Mapping, node_id: str, along: tuple[str, ...]) -> str | None:
    for _ in prompt:
        node = prompt.get(node_id, {})
        inputs = node.get("inputs", {})
        if node.get("class_type") == LOADER:
            name = inputs.get("ckpt_name")
            return name if isinstance(name, str) else None
        link = next((inputs[each] for each in along if isinstance(inputs.get(each), list)), None)
        if link is None:
            return None
        node_id = link[0]
    return None
