"""What `make package` asks of the pack, as far as it needs no network."""

from dev.host.fetch import REPOSITORY
from dev.package.archive import node_ids


def test_each_node_is_found_without_running_the_pack():
    assert node_ids(REPOSITORY) == {page.stem for page in (REPOSITORY / "web" / "docs").glob("*.md")}
