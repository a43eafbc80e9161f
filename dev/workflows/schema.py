"""How the front end reads /object_info: which inputs are widgets, and the order of their saved values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

WIDGET_TYPES = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
BLANK = {"INT": 0, "FLOAT": 0.0, "STRING": "", "BOOLEAN": False}


@dataclass(frozen=True)
class Input:
    """One input of a node class; `choices` are the values of a combo."""

    name: str
    type: str
    required: bool
    options: Mapping = field(default_factory=dict)
    choices: tuple = ()

    @property
    def is_widget(self) -> bool:
        sockets_only = self.options.get("forceInput") or self.options.get("rawLink")
        return self.type in WIDGET_TYPES and not sockets_only

    @property
    def has_control(self) -> bool:
        """Whether the front end saves a "control after generate" value after this one."""
        named_so = self.type == "INT" and self.name in ("seed", "noise_seed")
        return bool(self.options.get("control_after_generate", named_so))

    @property
    def has_upload(self) -> bool:
        """Whether the front end saves the value of an upload button after this one."""
        return any(self.options.get(f"{what}_upload") for what in ("image", "audio", "video"))

    @property
    def default(self):
        first = self.choices[0] if self.choices else BLANK.get(self.type)
        return self.options.get("default", first)


def inputs(node: Mapping) -> tuple[Input, ...]:
    """The inputs of a node in the order of its schema, required inputs first."""
    return tuple(
        parse_input(name, node["input"][group][name], required=group == "required")
        for group in ("required", "optional")
        for name in node["input_order"].get(group, ())
    )


def parse_input(name: str, spec: list, required: bool) -> Input:
    """Old nodes declare a combo as a list of its values, new nodes as COMBO with options."""
    kind, options = spec[0], (spec[1] if len(spec) > 1 else {})
    if isinstance(kind, list):
        return Input(name, "COMBO", required, options, tuple(kind))
    return Input(name, kind, required, options, tuple(options.get("options", ())))
