"""What `make package` asks of the pack, as far as it needs no network."""

from dev.host.fetch import REPOSITORY
from dev.package.archive import node_ids
from dev.package.fresh import LEFT_OUT, _name


def test_a_scanner_finds_each_node_without_running_the_pack():
    assert node_ids(REPOSITORY) == {page.stem for page in (REPOSITORY / "web" / "docs").glob("*.md")}


def test_requirements_are_left_out_by_name():
    assert [_name(each) for each in ("torch", "torchvision>=0.2", "comfyui-embedded-docs==0.1")] == [
        "torch",
        "torchvision",
        "comfyui-embedded-docs",
    ]
    assert "comfyui-frontend-package" not in LEFT_OUT
