"""No lasting effect: bypass, strength 0 and branches on a running server, bit for bit."""

import pytest

from tests.host.graphs import MODEL, all_stages, apply, base, draw, node, picture, stage_1


@pytest.fixture(scope="module")
def untouched(client) -> bytes:
    """The image of the original MODEL, generated before this server ran any node of the pack."""
    return picture(client, client.run(base() | draw("plain", MODEL)), "plain")


@pytest.fixture(scope="module")
def erased(client, untouched) -> bytes:
    """The image after all three stages, generated in the same run."""
    return picture(client, client.run(all_stages() | draw("erased", ["apply", 0])), "erased")


def test_the_erasure_changes_the_image(untouched, erased):
    assert erased != untouched


def test_after_training_the_untouched_model_draws_the_same_image(client, untouched, erased):
    outputs = client.run(base() | draw("plain", MODEL, again=1))
    assert picture(client, outputs, "plain") == untouched


def test_strength_0_is_no_node_at_all(client, untouched, erased):
    prompt = all_stages() | apply("none", ["fuse", 0], strength=0.0) | draw("none_drawn", ["none", 0])
    assert picture(client, client.run(prompt), "none_drawn") == untouched


def test_branches_of_one_loader_leave_each_other_alone(client, untouched, erased):
    other = {f"other_{name}": each for name, each in stage_1("cat -> sky").items()}
    other["other_refine"]["inputs"]["concepts"] = ["other_concepts", 0]
    prompt = (
        all_stages()
        | other
        | draw("other", ["other_refine", 0])
        | draw("plain", MODEL, again=2)
        | draw("erased", ["apply", 0], again=2)
        | draw("half", ["half_applied", 0])
        | apply("half_applied", ["fuse", 0], strength=0.5)
    )
    outputs = client.run(prompt)
    assert picture(client, outputs, "plain") == untouched
    assert picture(client, outputs, "erased") == erased
    assert len({picture(client, outputs, name) for name in ("plain", "erased", "other", "half")}) == 4


def test_the_drawn_training_images_come_from_the_model_as_it_is(client, erased):
    """A second run generates and trains the same, so every random number is seeded."""
    prompt = all_stages(steps=4) | draw("first", ["apply", 0])
    first = picture(client, client.run(prompt), "first")
    client.free()
    again = picture(client, client.run(prompt), "first")
    assert first == again


def test_the_loss_map_is_what_the_hosts_plot_takes(client):
    prompt = all_stages() | {"plot": node("LossGraphNode", loss=["train", 1], filename_prefix="loss")}
    assert client.run(prompt)["plot"]["images"]
