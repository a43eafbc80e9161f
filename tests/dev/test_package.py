"""What `make package` asks of the pack, as far as it needs no network."""

import json
import subprocess
import zipfile

import numpy
import pytest
import requests
from PIL import Image

from dev.host.fetch import REPOSITORY
from dev.package.archive import node_ids
from dev.package.artwork import BANNER, ICON, drawn
from dev.package.manager import name_and_version, registry

NOBODY = "<publisher>"


def test_each_node_is_found_without_running_the_pack():
    assert node_ids(REPOSITORY) == {page.stem for page in (REPOSITORY / "web" / "docs").glob("*.md")}


def test_the_registry_on_this_machine_answers_the_manager(tmp_path):
    archive = tmp_path / "node.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.write(REPOSITORY / "pyproject.toml", "pyproject.toml")
    name, version = name_and_version(archive)
    assert name == "mace-concept-erasure"
    with registry(archive) as address:
        answer = requests.get(f"{address}/nodes/{name}/install?version={version}", timeout=10)
        told = json.loads(answer.text)
        assert (told["id"], told["version"]) == (name, version)
        assert requests.get(told["downloadUrl"], timeout=10).content == archive.read_bytes()
        assert requests.get(f"{address}/nodes/another/install", timeout=10).status_code == 404
    with pytest.raises(requests.ConnectionError):
        requests.get(address, timeout=10)


@pytest.mark.parametrize("artwork", [ICON, BANNER], ids=["icon", "banner"])
def test_the_committed_artwork_is_what_the_code_draws(artwork):
    with Image.open(artwork.path) as committed:
        given, wanted = (numpy.asarray(each.convert("RGBA"), int) for each in (committed, drawn(artwork)))
    assert given.shape == wanted.shape
    assert numpy.abs(given - wanted).max() <= 2  # rounding


def test_the_artwork_has_the_sizes_that_the_registry_asks_for():
    assert ICON.size[0] == ICON.size[1] <= 400
    assert BANNER.size[0] * 9 == BANNER.size[1] * 21


def test_nothing_pretends_that_the_pack_is_published():
    """Whoever publishes the pack replaces one word. Until then, no address has an owner."""
    pattern = r"github(usercontent)?\.com/[^/ ]+/mace-concept-erasure"
    command = ["git", "grep", "-hoIE", pattern]
    addresses = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True).stdout.split()
    assert {address.split("/")[1] for address in addresses} == {NOBODY}


def test_one_word_is_left_to_a_publisher():
    lines = (REPOSITORY / "pyproject.toml").read_text().splitlines()
    given = dict(line.split(" = ") for line in lines if NOBODY in line and " = " in line)
    assert given.keys() == {"Repository", "PublisherId", "Icon", "Banner"}
    for field, artwork in {"Icon": ICON, "Banner": BANNER}.items():
        assert given[field].strip('"').endswith(f"/{artwork.path.relative_to(REPOSITORY).as_posix()}")
