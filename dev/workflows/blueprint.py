"""Write a subgraph blueprint, a block that the front end lists among its nodes, from a compact description.

A node's input that is `In("name")` becomes an input of the block: a socket, or a widget with the value that
`In` gives it. Put the description into dev/workflows/blueprints/NAME.py and run `make templates`.
"""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from dev.workflows.schema import Input
from dev.workflows.to_ui import In, Node, Out, all_links, known_class, output_slot, saved_node, slots

INPUT, OUTPUT = -10, -20  # the ids of a subgraph's own input and output nodes
PREVIEW = "$$canvas-image-preview"  # the front end's name for the image that a node shows
CATEGORY, VERSION = "MACE Concept Erasure", 0.4
Link = tuple[int, int, int, int, int, str]


@dataclass(frozen=True)
class Blueprint:
    """`inputs`: the names of its inputs in their order. `outputs`: where each output comes from.

    `preview`: the node whose image the block shows, on front ends that can.
    """

    name: str
    description: str
    aliases: tuple[str, ...]
    nodes: tuple[Node, ...]
    inputs: tuple[str, ...]
    outputs: Mapping[str, Out]
    size: tuple[int, int]
    preview: str = ""


@dataclass(frozen=True)
class Port:
    """An input of the block: (node, slot) of each input inside that it feeds."""

    name: str
    type: str
    is_widget: bool
    targets: tuple[tuple[int, int], ...]


def to_blueprint(block: Blueprint, object_info: Mapping) -> dict:
    """The saved form: a workflow with one node, and the definition of what is inside."""
    ids = {node.name: number for number, node in enumerate(block.nodes, 1)}
    schemas = {node.name: known_class(node, object_info) for node in block.nodes}
    ports = ports_of(block, ids, schemas)
    links = tuple(with_ends(block, ports, ids, schemas))
    key = str(uuid.uuid5(uuid.NAMESPACE_URL, repr(block)))  # the same id for the same description
    return {
        "revision": 0,
        "last_node_id": 1,
        "last_link_id": 0,
        "nodes": [outside(block, key, ports, links, ids)],
        "links": [],
        "version": VERSION,
        "definitions": {
            "subgraphs": [
                inside(block, key, ports, links)
                | {
                    "nodes": [
                        saved_node(node, ids[node.name], schemas[node.name], links) for node in block.nodes
                    ]
                }
            ]
        },
        "extra": {"BlueprintDescription": block.description, "BlueprintSearchAliases": list(block.aliases)},
    }


def ports_of(block: Blueprint, ids: Mapping, schemas: Mapping) -> tuple[Port, ...]:
    """The inputs of the block, and what each of them feeds."""
    found: dict[str, tuple[Input, list]] = {}
    for node in block.nodes:
        for slot, each in enumerate(slots(schemas[node.name])):
            value = node.inputs.get(each.name)
            if isinstance(value, In):
                found.setdefault(value.name, (each, []))[1].append((ids[node.name], slot))
    if set(found) != set(block.inputs):
        raise ValueError(
            f"'{block.name}' lists {block.inputs} as its inputs, but its nodes use {tuple(found)}."
        )
    return tuple(
        Port(name, found[name][0].type, found[name][0].is_widget, tuple(found[name][1]))
        for name in block.inputs
    )


def with_ends(block: Blueprint, ports: tuple[Port, ...], ids: Mapping, schemas: Mapping) -> Iterator[Link]:
    """The links between the nodes, then those from the block's inputs and to its outputs."""
    number = 0
    for number, *link in all_links(block.nodes, ids, schemas):
        yield number, *link
    for origin, port in enumerate(ports):
        for node, slot in port.targets:
            number += 1
            yield number, INPUT, origin, node, slot, port.type
    for target, source in enumerate(block.outputs.values()):
        number += 1
        slot = output_slot(source, schemas)
        yield number, ids[source.node], slot, OUTPUT, target, schemas[source.node]["output"][slot]


def outside(
    block: Blueprint, key: str, ports: tuple[Port, ...], links: tuple[Link, ...], ids: Mapping
) -> dict:
    """The block as a node of a graph."""
    shown = [[str(ids[block.preview]), PREVIEW]] if block.preview else []
    return {
        "id": 1,
        "type": key,
        "pos": [0, 0],
        "size": list(block.size),
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": [
            {"name": port.name, "type": port.type, "link": None}
            | ({"widget": {"name": port.name}} if port.is_widget else {})
            for port in ports
        ],
        "outputs": [
            {"name": name, "type": type_of(links, OUTPUT, slot), "links": None}
            for slot, name in enumerate(block.outputs)
        ],
        "properties": {"proxyWidgets": shown},
        "widgets_values": [],
        "title": block.name,
    }


def inside(block: Blueprint, key: str, ports: tuple[Port, ...], links: tuple[Link, ...]) -> dict:
    """The definition of the block, without its nodes."""
    right = max(node.at[0] for node in block.nodes) + 500
    return {
        "id": key,
        "version": 1,
        "state": {
            "lastGroupId": 0,
            "lastNodeId": len(block.nodes),
            "lastLinkId": len(links),
            "lastRerouteId": 0,
        },
        "revision": 0,
        "config": {},
        "name": block.name,
        "description": block.description,
        "category": CATEGORY,
        "inputNode": {"id": INPUT, "bounding": [-320, 0, 160, 40 + 20 * len(ports)]},
        "outputNode": {"id": OUTPUT, "bounding": [right, 0, 160, 40 + 20 * len(block.outputs)]},
        "inputs": [
            end(key, port.name, port.type, [link[0] for link in links if link[1:3] == (INPUT, slot)])
            for slot, port in enumerate(ports)
        ],
        "outputs": [
            end(
                key,
                name,
                type_of(links, OUTPUT, slot),
                [each[0] for each in links if each[3:5] == (OUTPUT, slot)],
            )
            for slot, name in enumerate(block.outputs)
        ],
        "widgets": [],
        "groups": [],
        "links": [saved_link(*link) for link in links],
        "extra": {},
    }


def end(key: str, name: str, kind: str, link_ids: list[int]) -> dict:
    """One input or output of the block, as seen from inside."""
    return {"id": str(uuid.uuid5(uuid.UUID(key), name)), "name": name, "type": kind, "linkIds": link_ids}


def type_of(links: tuple[Link, ...], node: int, slot: int) -> str:
    return next(link[5] for link in links if link[3:5] == (node, slot))


def saved_link(number: int, origin: int, from_slot: int, target: int, to_slot: int, kind: str) -> dict:
    return {
        "id": number,
        "origin_id": origin,
        "origin_slot": from_slot,
        "target_id": target,
        "target_slot": to_slot,
        "type": kind,
    }
