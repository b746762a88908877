"""Descent on quadratics against closed forms: within rounding, and exactly where nothing is rounded."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastgd import minimize


def matrix(eigenvalues, seed):
    """A symmetric matrix with these eigenvalues."""
    basis = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(eigenvalues), len(eigenvalues))))[0]
    return (basis * eigenvalues) @ basis.T


@given(eigenvalues=st.lists(st.floats(0.1, 10), min_size=1, max_size=6), seed=st.integers(0, 2**32 - 1),
       n_steps=st.integers(0, 30), fraction=st.floats(0.01, 1.0))
def test_quadratic_follows_the_closed_form(eigenvalues, seed, n_steps, fraction):
    """On x'Ax/2 the iterates are (I - rate A)^k x0, within rounding."""
    A = matrix(eigenvalues, seed)
    rate = fraction / max(eigenvalues)
    x0 = np.random.default_rng(seed + 1).normal(size=len(A))
    exact = np.linalg.matrix_power(np.eye(len(A)) - rate * A, n_steps) @ x0
    by_gradient = minimize(lambda x: 0.5 * x @ A @ x, x0, jac=lambda x: A @ x, learning_rate=rate, maxiter=n_steps,
                           gtol=0.0)
    by_differences = minimize(lambda x: 0.5 * x @ A @ x, x0, learning_rate=rate, maxiter=n_steps, gtol=0.0)
    np.testing.assert_allclose(by_gradient.x, exact, atol=1e-13 * np.abs(x0).max())
    np.testing.assert_allclose(by_differences.x, exact, atol=1e-8 * np.linalg.norm(x0) * (1 + np.linalg.norm(x0)))


@given(eigenvalues=st.lists(st.floats(0.5, 10), min_size=1, max_size=5), seed=st.integers(0, 2**32 - 1))
def test_limit_of_the_rate(eigenvalues, seed):
    """Just below 2 / (the largest eigenvalue) the descent shrinks along every direction; just above it grows."""
    A, largest = matrix(eigenvalues, seed), max(eigenvalues)
    x0 = np.linalg.eigh(A)[1][:, -1]  # the steepest direction

    def norm_after(rate):
        result = minimize(lambda x: 0.5 * x @ A @ x, x0, jac=lambda x: A @ x, learning_rate=rate, maxiter=100, gtol=0)
        return np.linalg.norm(result.x)

    assert norm_after(1.98 / largest) == pytest.approx(0.98**100, rel=1e-6)
    assert norm_after(2.02 / largest) == pytest.approx(1.02**100, rel=1e-6)


@given(curvatures=st.lists(st.integers(1, 15), min_size=1, max_size=4),
       numerators=st.lists(st.integers(-64, 64), min_size=4, max_size=4), n_steps=st.integers(0, 5))
def test_dyadic_quadratic_is_exact(curvatures, numerators, n_steps):
    """With short binary fractions nothing is rounded: the descent equals exact rational arithmetic."""
    x0 = [Fraction(numerator, 8) for numerator in numerators[:len(curvatures)]]
    exact = [x * (1 - Fraction(curvature, 16)) ** n_steps for x, curvature in zip(x0, curvatures, strict=True)]
    c = np.array(curvatures, dtype=float)
    result = minimize(lambda x: (c * x * x).sum() / 2, np.array(x0, dtype=float), jac=lambda x: c * x,
                      learning_rate=1 / 16, maxiter=n_steps, gtol=0.0)
    assert [Fraction(x) for x in result.x.tolist()] == exact
    assert Fraction(result.fun) == sum(Fraction(k) * x * x for k, x in zip(curvatures, exact, strict=True)) / 2
