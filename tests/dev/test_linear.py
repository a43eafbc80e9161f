"""What `python -m dev.mass.linear` tries, and its null-space constraint."""

import torch

from dev.mass.linear import line
from dev.mass.linear_forms import FORMS, Form, everyday, null_space_refinement
from mace_core.concepts.captions import everyday_captions
from mace_core.refinement.refine import RELATIVE_RIDGE

D, KEPT, R = 12, 5, 0.3


def rows(seed, n, scale=1.0):
    return scale * torch.randn(n, D, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_constraint_is_the_least_squares_solution_that_changes_nothing_there():
    e_f, e_g, prior = rows(0, 9), rows(1, 9), rows(2, 30) @ rows(3, D)
    P = prior.T @ prior
    T = null_space_refinement(e_g.T @ e_f, e_f.T @ e_f, P, KEPT, R)
    principal = torch.linalg.svd(prior).Vh[:KEPT]
    assert ((T - torch.eye(D, dtype=torch.float64)) @ principal.T).norm() < 1e-9
    free = torch.linalg.svd(prior).Vh[KEPT:].T  # T = I + X free^T, solved for X over stacked rows
    inputs = torch.cat([e_f @ free, R**0.5 * torch.eye(D - KEPT, dtype=torch.float64)])
    wanted = torch.cat([e_g - e_f, torch.zeros(D - KEPT, D, dtype=torch.float64)])
    X = torch.linalg.lstsq(inputs, wanted, driver="gelsd").solution.T
    torch.testing.assert_close(T, torch.eye(D, dtype=torch.float64) + X @ free.T)


def test_the_packs_form_and_the_papers_are_tried():
    assert Form() in FORMS.values()
    assert Form(relative_ridge=RELATIVE_RIDGE) in FORMS.values()
    assert next(iter(FORMS.values())) == Form()  # gains are relative to the first row


def test_everyday_captions_name_nothing_that_is_erased():
    class World:
        concepts = {"cat": {"synonyms": ["fox"]}, "dog": {"synonyms": []}}

    captions = everyday(World, ["cat"])
    assert not any(" cat" in each or " fox" in each for each in captions)
    assert 0 < len(captions) < len(everyday_captions())


def test_only_what_is_two_errors_apart_at_equal_erasure_is_bold():
    def shown(never, erase):
        return {"never": never, "erase": {"a": erase, "b": erase}, "synonyms": {"s": 0.0}, "keep": {"k": 1.0}}

    low, high = {"x": 0.5, "y": 0.5, "z": 0.6}, {"x": 1.0, "y": 0.9, "z": 1.0}
    first, name = list(FORMS)[:2]
    found = {"before": {"never": dict.fromkeys(low, 1.0), "keep": {"k": 1.0}}, first: shown(low, 0.0)}
    for after, erase, bold in ((high, 0.0, True), (high, 0.5, False), (low, 0.0, False)):
        told = line(name, Form(ridge=1.0), {**found, name: shown(after, erase)}, captioned=["x"])
        assert ("**" in told) is bold
    counted = line(name, Form(everyday=1.0), {**found, name: shown(high, 0.0)}, captioned=["x"])
    assert "95.0" in counted  # without x, which the captions name
