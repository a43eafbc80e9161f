"""The registry's metadata in pyproject.toml: wrong values only cause warnings and are then dropped."""

import tomllib

from dev.host.fetch import HOST_VERSION, REPOSITORY


def test_the_hosts_parser_keeps_every_value(comfy):
    from comfy_config.config_parser import extract_node_configuration

    parsed = extract_node_configuration(str(REPOSITORY))
    assert parsed.project.name == "mace-concept-erasure"
    assert parsed.project.license.file == "LICENSE"
    assert parsed.project.urls.repository.startswith("https://")
    assert parsed.project.supported_os == ["OS Independent"]
    assert parsed.project.supported_comfyui_version == ">=0.3.75"
    assert parsed.project.dependencies == ["peft>=0.13"]
    assert parsed.tool_comfy.publisher_id == "<publisher>"  # nobody has published the pack yet
    assert parsed.tool_comfy.display_name == "MACE Concept Erasure"
    assert parsed.tool_comfy.web is None, "this breaks the help pages: use WEB_DIRECTORY in __init__.py"


def test_the_lower_bound_is_the_version_under_test():
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    assert settings["tool"]["comfy"]["requires-comfyui"] == f">={HOST_VERSION}"
