"""Images and texts on nodes come back after the page is reloaded, on hosts that support it."""

from tests.host.graphs import apply, base, draw, stage_1, stages_2_and_3, training_set

SHOWING = ("drawn", "masked", "train", "apply")


def test_a_second_run_sends_them_again(client, object_info):
    """The second run computes nothing, so only what the host sends again is on the page."""
    stages = base() | stage_1() | training_set() | stages_2_and_3(method="fast")
    graph = stages | apply("apply", ["fuse", 0]) | draw("after", ["apply", 0])
    first = client.run(graph)
    assert set(SHOWING) < set(first)
    again = client.run(graph)
    if not any("has_intermediate_output" in schema for schema in object_info.values()):
        assert not set(SHOWING) & set(again), "this host does not support it"
        return
    assert {name: again.get(name) for name in SHOWING} == {name: first[name] for name in SHOWING}
