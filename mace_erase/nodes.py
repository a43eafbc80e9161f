"""The nodes of a loaded host, called as its executor calls them: checked first, in inference mode."""

import asyncio
import inspect
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class LoadedNodes:
    """`pack`: this pack as the host imported it. `nodes`: node id -> class, of the host and the pack."""

    pack: ModuleType
    nodes: Mapping[str, type]

    def module(self, name: str) -> ModuleType:
        """A module of the pack as the host imported it, for example module("nodes.host.patch").

        An absolute `import mace_core` gives a second copy, whose classes differ from those the nodes use.
        """
        return import_module(f"{self.pack.__name__}.{name}")

    def call(self, node_id: str, **inputs) -> tuple:
        """The outputs of a node, called in inference mode as the executor does (V3 classes wrap theirs)."""
        return self.shown(node_id, **inputs)[0]

    def run(self, node_id: str, **inputs) -> tuple:
        """The outputs of a node of this pack; inputs that are not given, or None, have their defaults.

        Raises the host's InterruptProcessingException if the run was cancelled.
        """
        self.module("nodes.host.progress").check_interrupted()
        return self.call(node_id, **self.with_defaults(node_id, inputs))

    def shown(self, node_id: str, **inputs) -> tuple[tuple, str]:
        """The outputs of a node, and the text that it shows; empty if it shows none."""
        import torch

        node = self.nodes[node_id]
        with torch.inference_mode():
            if not hasattr(node, "define_schema"):
                return getattr(node(), node.FUNCTION)(**inputs), ""
            output = node.execute(**inputs)
        shown = output.ui.as_dict() if hasattr(output.ui, "as_dict") else output.ui or {}
        return output.result or (), next(iter(shown.get("text", ())), "")

    def with_defaults(self, node_id: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs without those that are None, and the defaults of all others."""
        given = {name: value for name, value in inputs.items() if value is not None}
        declared = self.nodes[node_id].define_schema().inputs
        defaults = {each.id: getattr(each, "default", None) for each in declared}
        return {name: value for name, value in defaults.items() if value is not None} | given

    def check(self, node_id: str, **inputs) -> None:
        """Raise ValueError for values that the host's server would refuse before it runs the node.

        Inputs that are None are not checked.
        """
        given = self.with_defaults(node_id, inputs)
        validate = self.nodes[node_id].validate_inputs
        wanted = inspect.signature(validate).parameters
        if "kwargs" not in wanted and wanted.keys() <= given.keys():
            verdict = validate(**{name: given[name] for name in wanted})
            if verdict is not True:
                raise ValueError(verdict)
        for each in self.nodes[node_id].define_schema().inputs:
            if inputs.get(each.id) is not None:
                _check_range(each, inputs[each.id])


def _check_range(declared: Any, value: Any) -> None:
    least, most = (getattr(declared, name, None) for name in ("min", "max"))
    if least is not None and not least <= value <= most:
        raise ValueError(f"'{declared.id}' is {value}, but must be from {least} to {most}: change it.")


def load_nodes(folder: str) -> LoadedNodes:
    """Let the imported host load the pack in `folder`, as it does when it starts.

    Raises ValueError if it cannot; its log says why.
    """
    host_nodes = import_module("nodes")
    if not asyncio.run(host_nodes.load_custom_node(folder)):
        raise ValueError(f"ComfyUI could not load the pack in {folder}: see its log above.")
    return LoadedNodes(sys.modules[folder.replace(".", "_x_")], host_nodes.NODE_CLASS_MAPPINGS)
