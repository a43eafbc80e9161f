"""Masks from words hold one model in memory at a time, and a cancel leaves none behind."""

# ruff: noqa: F811 - fixtures of another file are named as arguments
import weakref

import pytest

from tests.host.test_segment import grounded, images, models, places, segment  # noqa: F401 - fixtures


@pytest.fixture
def alive(segment, monkeypatch):
    """The number of models loaded so far, and how many of them still hold memory."""
    read, kept = segment._read, []

    def holds(model) -> bool:
        return model is not None and any(weight.device.type != "meta" for weight in model.parameters())

    def remember(*arguments):
        processor, model = read(*arguments)
        kept.append(weakref.ref(model))
        return processor, model

    monkeypatch.setattr(segment, "_read", remember)
    return lambda: (len(kept), sum(holds(model()) for model in kept))


def test_one_model_at_a_time_and_none_afterwards(comfy, images, segment, alive, monkeypatch):
    at_cutting, cut = [], segment._cut

    def look(*arguments):
        at_cutting.append(alive())
        return cut(*arguments)

    monkeypatch.setattr(segment, "_cut", look)
    grounded(comfy, images())
    assert at_cutting == [(2, 1)] * 3 and alive() == (2, 0)


@pytest.mark.parametrize("at, read", [(1, 1), (5, 2)])
def test_cancel_stops_before_the_next_picture(comfy, images, alive, at, read):
    """The detector processes three images (1 to 3), then the segmenter does (4 to 6)."""
    import comfy.model_management as management
    import comfy.utils as host_utils

    done = []

    def hook(value, total, *rest, **named):
        done.append(value)
        assert total == 6
        if value == at:
            management.interrupt_current_processing()

    host_utils.set_progress_bar_global_hook(hook)
    try:
        with pytest.raises(management.InterruptProcessingException):
            grounded(comfy, images())
    finally:
        host_utils.set_progress_bar_global_hook(None)
    assert done == list(range(1, at + 1)) and alive() == (read, 0)
    assert len(grounded(comfy, images())[1]) == 3
