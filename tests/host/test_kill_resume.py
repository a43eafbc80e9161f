"""kill -9 at random moments of a small mass erasure: the resumed run's file matches an unbroken run's."""

from dev.mass.kill_resume import Run, disturbed, random_moments, undisturbed

SMALL = Run(concepts=4, images=2, drawing_steps=3, steps=5)


def test_killed_and_resumed_is_equal_to_the_bit(tmp_path):
    expected, steps = undisturbed(SMALL, tmp_path / "undisturbed")
    assert min(steps["draw"], steps["train"]) >= SMALL.drawing_steps
    found, killed = disturbed(SMALL, tmp_path / "disturbed", random_moments(2, seed=1), steps)
    assert len(killed) == 2 and found == expected
    assert len(list((tmp_path / "disturbed" / "models" / "mace" / "concepts").glob("*.safetensors"))) == 4
