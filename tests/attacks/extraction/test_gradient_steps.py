from __future__ import annotations

import numpy as np
import pytest
import torch

from stealproof.attacks.extraction._gradient_steps import check_movable, fgsm, moved, other_classes, towards, width
from stealproof.errors import InputError, InvalidData
from stealproof.models.mlp import Mlp
from stealproof.oracle import Domain

DOMAIN = Domain(shape=(6,))


def network(scale: float = 1.0) -> torch.nn.Module:
    model = Mlp(width=16).build((6,), 4, torch.Generator().manual_seed(3))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(scale)
    return model


def inputs(count: int = 40) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.random.default_rng(5).uniform(0.3, 0.7, size=(count, 6))


def classes(count: int = 40) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.random.default_rng(6).integers(0, 4, size=count)


def log_probability(model: torch.nn.Module, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        scores = model(torch.as_tensor(x, dtype=torch.float32)).log_softmax(dim=1).numpy()
    return np.asarray(scores[np.arange(len(x)), y])


def test_the_direction_is_that_of_the_jacobian_row_of_the_probabilities() -> None:
    model, x, y = network(), inputs(), classes()
    point = torch.as_tensor(x, dtype=torch.float32).requires_grad_()
    probabilities = model(point).softmax(dim=1)
    row = torch.autograd.grad(probabilities[torch.arange(len(x)), torch.as_tensor(y)].sum(), point)[0]
    np.testing.assert_array_equal(towards(model, x, y), row.sign().numpy())


def test_the_direction_is_the_opposite_of_the_loss_gradient() -> None:
    model, x, y = network(), inputs(), classes()
    point = torch.as_tensor(x, dtype=torch.float32).requires_grad_()
    loss = torch.nn.functional.cross_entropy(model(point), torch.as_tensor(y), reduction="sum")
    gradient = torch.autograd.grad(loss, point)[0]
    np.testing.assert_array_equal(towards(model, x, y), -gradient.sign().numpy())


def test_a_sure_network_still_has_a_direction_where_its_loss_has_none() -> None:
    model, x = network(scale=60.0), inputs()
    point = torch.as_tensor(x, dtype=torch.float32).requires_grad_()
    logits = model(point)
    y = logits.argmax(dim=1)
    loss = torch.nn.functional.cross_entropy(logits, y, reduction="sum")
    silent = (torch.autograd.grad(loss, point)[0] == 0).all(dim=1).numpy()
    assert silent.sum() >= 5
    assert (towards(model, x, y.numpy())[silent] != 0).any(axis=1).all()


def test_fgsm_leaves_a_class_and_reaches_a_target() -> None:
    model, x, y = network(), inputs(), classes()
    before = log_probability(model, x, y)
    away = fgsm(model, x, y, epsilon=0.05, domain=DOMAIN)
    near = fgsm(model, x, y, epsilon=0.05, domain=DOMAIN, targeted=True)
    assert log_probability(model, away, y).mean() < before.mean() < log_probability(model, near, y).mean()


def test_iterated_fgsm_follows_the_gradient_better_within_the_same_ball() -> None:
    model, x, y = network(scale=4.0), inputs(200), classes(200)
    one = fgsm(model, x, y, epsilon=0.3, domain=DOMAIN, targeted=True)
    ten = fgsm(model, x, y, epsilon=0.3, domain=DOMAIN, targeted=True, iterations=10)
    assert log_probability(model, ten, y).mean() > log_probability(model, one, y).mean() + 0.01
    assert np.abs(ten - x).max() <= 0.3 + 1e-9


def test_examples_stay_inside_the_domain_and_keep_their_precision() -> None:
    x = inputs().astype(np.float32)
    made = fgsm(network(), x, classes(), epsilon=2.0, domain=DOMAIN)
    assert made.dtype == np.float32
    assert made.min() == 0
    assert made.max() == 1


def test_a_step_size_is_a_share_of_the_width_of_the_domain() -> None:
    assert width(Domain(shape=(2,), low=-1.0, high=1.0)) == 2
    assert width(Domain(shape=(2,), low=-np.inf, high=np.inf)) == 1
    wide = Domain(shape=(6,), low=-10.0, high=10.0)
    assert np.abs(fgsm(network(), inputs(), classes(), epsilon=0.1, domain=wide) - inputs()).max() == pytest.approx(2)


def test_categorical_columns_are_not_moved() -> None:
    domain = Domain(shape=(6,), levels={1: (0.0, 1.0), 4: (0.0, 0.5, 1.0)})
    x = inputs()
    made = moved(x, np.full_like(x, 0.1), domain)
    np.testing.assert_array_equal(made[:, [1, 4]], x[:, [1, 4]])
    np.testing.assert_allclose(made[:, [0, 2, 3, 5]], x[:, [0, 2, 3, 5]] + 0.1)


def test_a_domain_without_a_numeric_column_is_refused() -> None:
    check_movable(Domain(shape=(2,), levels={0: (0.0, 1.0)}), "t_rnd")
    with pytest.raises(InvalidData, match="t_rnd moves numeric inputs, and all 2 columns of this domain are categor"):
        check_movable(Domain(shape=(2,), levels={0: (0.0, 1.0), 1: (0.0, 1.0)}), "t_rnd")


@pytest.mark.parametrize(("epsilon", "iterations"), [(0.0, 1), (-0.1, 1), (0.1, 0)])
def test_impossible_perturbations_are_refused(epsilon: float, iterations: int) -> None:
    with pytest.raises(InputError, match=f"above 0 and at least 1 iteration, got {epsilon} and {iterations}"):
        fgsm(network(), inputs(), classes(), epsilon=epsilon, domain=DOMAIN, iterations=iterations)


def test_other_classes_are_uniform_over_the_others() -> None:
    labels = np.repeat(np.arange(4), 3000)
    aims = other_classes(labels, 4, np.random.default_rng(0))
    assert (aims != labels).all()
    counts = np.bincount(aims[labels == 2], minlength=4)
    assert counts[2] == 0
    assert counts[[0, 1, 3]].min() > 900
