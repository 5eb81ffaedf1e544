"""What DP-SGD spends: as Opacus says, monotone, and turned around."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stealproof.defenses.training._accounting import Accountant, epsilon_spent, noise_for
from stealproof.errors import InputError

pytest.importorskip("opacus")
NOISE = st.floats(0.4, 20.0)
RATE = st.floats(0.001, 1.0)
STEPS = st.integers(1, 3000)


@pytest.mark.parametrize(("noise", "rate", "steps"), [(1.1, 0.01, 500), (0.8, 0.05, 60), (4.0, 0.1, 400)])
def test_epsilon_is_that_of_opacus(noise: float, rate: float, steps: int) -> None:
    from opacus.accountants import PRVAccountant, RDPAccountant

    prv, rdp = PRVAccountant(), RDPAccountant()
    prv.history = rdp.history = [(noise, rate, steps)]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Optimal order is the")
        expected = rdp.get_epsilon(1e-5)
        tight = prv.get_epsilon(1e-5)
    assert epsilon_spent(noise, rate, steps, 1e-5, "rdp") == pytest.approx(expected, rel=2e-3)
    # Opacus' default tolerance is 0.01; ours is 1%, if that is less.
    assert epsilon_spent(noise, rate, steps, 1e-5, "prv") == pytest.approx(tight, abs=0.02)
    assert epsilon_spent(noise, rate, steps, 1e-5, "prv") < epsilon_spent(noise, rate, steps, 1e-5, "rdp")


@given(NOISE, RATE, STEPS)
@settings(max_examples=8)
def test_epsilon_is_monotone(noise: float, rate: float, steps: int) -> None:
    delta = 1e-5
    spent = epsilon_spent(noise, rate, steps, delta, "rdp")
    assert spent >= 0
    assert epsilon_spent(1.1 * noise, rate, steps, delta, "rdp") <= spent + 1e-9
    assert epsilon_spent(noise, rate, steps + 1 + steps // 10, delta, "rdp") >= spent - 1e-9
    assert epsilon_spent(noise, 0.9 * rate, steps, delta, "rdp") <= spent + 1e-9
    assert epsilon_spent(noise, rate, steps, 2 * delta, "rdp") <= spent + 1e-9


@pytest.mark.parametrize("accountant", ["prv", "rdp"])
@pytest.mark.parametrize(
    ("epsilon", "delta", "rate", "steps"),
    [
        (3.0, 1e-5, 0.05, 300),
        (8.0, 1e-3, 0.1, 120),
        (0.5, 1e-6, 0.01, 1000),
        (3.0, 1e-5, 1.0, 30),
        (200.0, 1e-5, 0.1, 50),
    ],
)
def test_the_noise_found_spends_what_was_asked_for(
    epsilon: float, delta: float, rate: float, steps: int, accountant: Accountant
) -> None:
    noise = noise_for(epsilon, delta, rate, steps, accountant)
    spent = epsilon_spent(noise, rate, steps, delta, accountant)
    assert 0.97 * epsilon <= spent <= epsilon


def test_tight_accounting_needs_less_noise() -> None:
    assert noise_for(3.0, 1e-5, 0.05, 300, "prv") < 0.97 * noise_for(3.0, 1e-5, 0.05, 300, "rdp")


def test_a_budget_that_no_noise_meets_is_refused() -> None:
    with pytest.raises(InputError, match="no noise below 100000 times the clipping norm gives epsilon 1e-06"):
        noise_for(1e-6, 1e-5, 1.0, 10**6)


def test_no_step_costs_nothing() -> None:
    assert epsilon_spent(1.0, 0.1, 0, 1e-5) == 0
