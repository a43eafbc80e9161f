"""Write a workflow as the front end saves it, from a compact description.

    TEMPLATE = Template(
        nodes=(
            Node("loader", "CheckpointLoaderSimple", at=(0, 0), inputs={"ckpt_name": "sd15.safetensors"}),
            Node("prompt", "CLIPTextEncode", at=(400, 0), size=(320, 120), title="Prompt",
                 inputs={"clip": Out("loader", "CLIP"), "text": "a photo of a ship"}),
        ),
        groups=(Group("1. Load", at=(-20, -80), size=(760, 300)),),
        notes=(Note("Press *Run*.", at=(0, 300), size=(320, 120)),),
        routes={("prompt", "clip"): ((360, -60), (380, -60))},
    )

Inputs that are not listed have the node's defaults. Put the description into
dev/workflows/templates/NAME.py and run `make templates` to write workflows/NAME.json.
"""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from dev.workflows.schema import Input, inputs

CORE = "comfy-core"
FRONT_END = "1.32.9"


@dataclass(frozen=True)
class Out:
    """An output of another node, by its name on the node or by its position."""

    node: str
    output: str | int = 0


@dataclass(frozen=True)
class In:
    """An input of the block that the node is in. `value`: what a widget shows first; None: its default."""

    name: str
    value: object = None


@dataclass(frozen=True)
class Node:
    name: str
    type: str
    at: tuple[int, int]
    inputs: Mapping[str, object] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    title: str | None = None
    control: str = "fixed"  # what the front end does to a seed after each run
    color: str | None = None


@dataclass(frozen=True)
class Note:
    text: str
    at: tuple[int, int]
    size: tuple[int, int] = (320, 160)
    title: str = "Note"


@dataclass(frozen=True)
class Group:
    title: str
    at: tuple[int, int]
    size: tuple[int, int]
    color: str = "#3f789e"


@dataclass(frozen=True)
class Template:
    """routes: (node, input) -> the points that its wire passes, for wires that would cross other nodes."""

    nodes: tuple[Node, ...]
    groups: tuple[Group, ...] = ()
    notes: tuple[Note, ...] = ()
    routes: Mapping[tuple[str, str], tuple[tuple[int, int], ...]] = field(default_factory=dict)


def to_ui(template: Template, object_info: Mapping) -> dict:
    """The saved form, format 0.4. Names that the server does not know are errors here, not in the browser."""
    ids = {node.name: number for number, node in enumerate(template.nodes, 1)}
    schemas = {node.name: known_class(node, object_info) for node in template.nodes}
    links = tuple(all_links(template.nodes, ids, schemas))
    nodes = [saved_node(node, ids[node.name], schemas[node.name], links) for node in template.nodes]
    nodes += [saved_note(note, len(nodes) + number) for number, note in enumerate(template.notes, 1)]
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, repr(template))),  # the same id for the same description
        "revision": 0,
        "last_node_id": len(nodes),
        "last_link_id": len(links),
        "nodes": nodes,
        "links": [list(link) for link in links],
        "groups": [saved_group(group, number) for number, group in enumerate(template.groups, 1)],
        "config": {},
        "extra": {"ds": {"scale": 0.8, "offset": [80, 120]}, "frontendVersion": FRONT_END}
        | routed(template, links, schemas),
        "version": 0.4,
    }


def routed(template: Template, links: tuple, schemas: Mapping) -> dict[str, list]:
    """The points on the wires. Wires of one output share the points that their routes begin with."""
    points: dict[tuple, dict] = {}
    last = []
    routes = dict(template.routes)
    for number, origin, from_slot, target, to_slot, _ in links:
        name = template.nodes[target - 1].name
        route = routes.pop((name, slots(schemas[name])[to_slot].name), ())
        for length in range(1, len(route) + 1):
            before = points.get((origin, from_slot, route[: length - 1]))
            point = points.setdefault(
                (origin, from_slot, route[:length]),
                {"id": len(points) + 1}
                | ({"parentId": before["id"]} if before else {})
                | {"pos": list(route[length - 1]), "linkIds": []},
            )
            point["linkIds"].append(number)
        if route:
            last.append({"id": number, "parentId": points[origin, from_slot, route]["id"]})
    if routes:
        raise ValueError(f"there is no wire to {', '.join('.'.join(each) for each in routes)}.")
    return {"reroutes": list(points.values()), "linkExtensions": last} if points else {}


def known_class(node: Node, object_info: Mapping) -> Mapping:
    if node.type not in object_info:
        raise ValueError(f"node '{node.name}': the server does not know the class {node.type}.")
    schema = object_info[node.type]
    unknown = set(node.inputs) - {each.name for each in inputs(schema)}
    if unknown:
        raise ValueError(f"node '{node.name}': {node.type} has no input called {', '.join(sorted(unknown))}.")
    return schema


def all_links(nodes: tuple[Node, ...], ids: Mapping, schemas: Mapping) -> Iterator[tuple]:
    """(link id, from node, from slot, to node, to slot, type), numbered in the order of the nodes."""
    number = 0
    for node in nodes:
        for slot, each in enumerate(slots(schemas[node.name])):
            source = node.inputs.get(each.name)
            if isinstance(source, Out):
                number += 1
                output = output_slot(source, schemas)
                kind = schemas[source.node]["output"][output]
                yield number, ids[source.node], output, ids[node.name], slot, kind


def output_slot(source: Out, schemas: Mapping) -> int:
    if source.node not in schemas:
        raise ValueError(f"no node is called '{source.node}'.")
    names = schemas[source.node]["output_name"]
    slot = names.index(source.output) if source.output in names else source.output
    if not isinstance(slot, int) or slot >= len(names):
        raise ValueError(
            f"node '{source.node}' has no output {source.output}: use one of {', '.join(names)}."
        )
    return slot


def slots(schema: Mapping) -> list[Input]:
    """Every input is a slot: sockets first, then widgets, as the front end lays them out."""
    return sorted(inputs(schema), key=lambda each: each.is_widget)


def saved_node(node: Node, number: int, schema: Mapping, links: tuple) -> dict:
    module = schema.get("python_module", "")
    pack = module.split(".")[1] if module.startswith("custom_nodes.") else CORE
    saved = {
        "id": number,
        "type": node.type,
        "pos": list(node.at),
        "size": list(node.size or rough_size(schema)),
        "flags": {},
        "order": number - 1,
        "mode": 0,
        "inputs": [saved_slot(each, slot, number, links) for slot, each in enumerate(slots(schema))],
        "outputs": [
            saved_output(name, kind, slot, number, links)
            for slot, (name, kind) in enumerate(zip(schema["output_name"], schema["output"]))
        ],
        "properties": {"cnr_id": pack, "Node name for S&R": node.type},
        "widgets_values": list(widget_values(node, schema)),
    }
    if node.title:
        saved["title"] = node.title
    if node.color:
        saved["color"] = saved["bgcolor"] = node.color
    return saved


def saved_slot(each: Input, slot: int, number: int, links: tuple) -> dict:
    link = next((link[0] for link in links if link[3:5] == (number, slot)), None)
    saved = {"name": each.name, "type": each.type, "link": link}
    if each.is_widget:
        saved["widget"] = {"name": each.name}
    elif not each.required:
        saved["shape"] = 7  # marks an optional socket in the front end
    return saved


def saved_output(name: str, kind: str, slot: int, number: int, links: tuple) -> dict:
    out = [link[0] for link in links if link[1:3] == (number, slot)]
    return {"name": name, "type": kind, "links": out or None}


def widget_values(node: Node, schema: Mapping) -> Iterator:
    for each in inputs(schema):
        if not each.is_widget:
            continue
        yield start_value(node, each)
        if each.has_control:
            yield node.control
        if each.has_upload:
            yield "image"


def start_value(node: Node, widget: Input) -> object:
    """What a widget shows at first; an input of the block may leave it at its default."""
    value = node.inputs.get(widget.name, widget.default)
    if isinstance(value, In):
        value = value.value
    return widget.default if value is None or isinstance(value, Out) else value


def rough_size(schema: Mapping) -> tuple[int, int]:
    """Close to what the front end would choose; it enlarges nodes that are too small."""
    declared = inputs(schema)
    rows = max(sum(not each.is_widget for each in declared), len(schema["output"]))
    texts = sum(bool(each.options.get("multiline")) for each in declared)
    widgets = sum(each.is_widget for each in declared) - texts
    return 315, 40 + 22 * rows + 26 * widgets + 110 * texts


def saved_note(note: Note, number: int) -> dict:
    return {
        "id": number,
        "type": "MarkdownNote",
        "pos": list(note.at),
        "size": list(note.size),
        "flags": {},
        "order": number - 1,
        "mode": 0,
        "inputs": [],
        "outputs": [],
        "title": note.title,
        "properties": {},
        "widgets_values": [note.text],
        "color": "#432",
        "bgcolor": "#653",
    }


def saved_group(group: Group, number: int) -> dict:
    return {
        "id": number,
        "title": group.title,
        "bounding": [*group.at, *group.size],
        "color": group.color,
        "font_size": 24,
        "flags": {},
    }
