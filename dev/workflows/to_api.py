"""Convert a workflow that the front end saved to a prompt for POST /prompt, with the server's /object_info.

python -m dev.workflows.to_api workflows/NAME.json   prints the prompt (starts a host for its schemas)
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from dev.workflows.schema import Input, inputs

NOTES = ("Note", "MarkdownNote")
REROUTE = "Reroute"
MODES = {2: "muted", 4: "bypassed"}


def to_api(workflow: Mapping, object_info: Mapping) -> dict[str, dict]:
    """Node id -> class_type and inputs. Refuses nodes that only the front end can resolve."""
    nodes = {node["id"]: node for node in workflow["nodes"]}
    links = {link["id"]: link for link in map(parse_link, workflow.get("links", ()))}
    prompt = {}
    for node in nodes.values():
        if node["type"] in (*NOTES, REROUTE):
            continue
        refuse_unknown(node, object_info)
        schema = object_info[node["type"]]
        prompt[str(node["id"])] = {
            "class_type": node["type"],
            "inputs": node_inputs(node, schema, nodes, links),
            "_meta": {"title": node.get("title") or schema["display_name"]},
        }
    return prompt


def refuse_unknown(node: Mapping, object_info: Mapping) -> None:
    label = f"node {node['id']} ({node['type']})"
    if node.get("mode", 0) in MODES:
        raise ValueError(f"{label} is {MODES[node['mode']]}: enable or remove it before converting.")
    if node["type"] not in object_info:
        raise ValueError(
            f"{label} is not known to this server: install its pack, or replace subgraphs and "
            "front-end-only nodes with ordinary ones."
        )


def node_inputs(node: Mapping, schema: Mapping, nodes: Mapping, links: Mapping) -> dict:
    """Widget values first, then links on top: a linked widget still has a saved value."""
    declared = inputs(schema)
    values = widget_values(node, declared)
    for slot in node.get("inputs", ()):
        if slot.get("link") is not None:
            source = resolve(links[slot["link"]], nodes, links)
            values.pop(slot["name"], None)
            if source:
                values[slot["name"]] = source
    return values


def widget_values(node: Mapping, declared: tuple[Input, ...]) -> dict:
    """Name -> value. The front end saves values by position, with its own extra widgets in between."""
    saved = node.get("widgets_values") or []
    widgets = [each for each in declared if each.is_widget]
    if isinstance(saved, Mapping):
        return {each.name: saved[each.name] for each in widgets if each.name in saved}
    return dict(pair_up(iter(saved), widgets))


def pair_up(saved: Iterator, widgets: list[Input]) -> Iterator[tuple[str, object]]:
    for widget in widgets:
        try:
            yield widget.name, next(saved)
        except StopIteration:  # saved by an older version of the node: later inputs have defaults
            return
        if widget.has_control or widget.has_upload:
            next(saved, None)


def resolve(link: Mapping, nodes: Mapping, links: Mapping) -> list | None:
    """[node id, output] where a link really starts, past any reroutes; None if a reroute has no input."""
    origin = nodes[link["origin_id"]]
    if origin["type"] != REROUTE:
        return [str(origin["id"]), link["origin_slot"]]
    before = origin["inputs"][0].get("link")
    return None if before is None else resolve(links[before], nodes, links)


def parse_link(link) -> dict:
    """Links are saved as lists up to format 0.4, and as mappings later."""
    if isinstance(link, Mapping):
        return dict(link)
    return dict(zip(("id", "origin_id", "origin_slot", "target_id", "target_slot", "type"), link))


def main(path: str) -> None:
    from dev.host.server import Host

    with Host() as host:
        prompt = to_api(json.loads(Path(path).read_text()), host.client().object_info())
    print(json.dumps(prompt, indent=2))


if __name__ == "__main__":
    main(sys.argv[1])
