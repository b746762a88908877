"""Fits to data: a regression with a closed form, and a decay curve for every row of a batch."""

import numpy as np
import pytest
from scipy.optimize import least_squares
from sklearn.datasets import load_diabetes

from fastgd import minimize

from .problems import bits

T = np.linspace(0.0, 5.0, 40)


@pytest.fixture(scope="module")
def diabetes():
    """442 patients: a column of ones and ten columns of mean 0 and variance 1, and how their disease went on."""
    columns, target = load_diabetes(return_X_y=True, scaled=False)
    columns = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    return np.column_stack([np.ones(len(columns)), columns]), target


@pytest.mark.parametrize("jac", ["differences", "gradient"])
def test_linear_regression(diabetes, jac):
    """Gradient descent on the mean squared error finds the least-squares solution."""
    A, y = diabetes
    exact = np.linalg.lstsq(A, y, rcond=None)[0]
    curvatures = np.linalg.eigvalsh(A.T @ A / len(y))

    def error(w):
        residual = A @ w - y
        return residual @ residual / (2 * len(y))

    def slope(w):
        return A.T @ (A @ w - y) / len(y)

    result = minimize(error, np.zeros(11), jac=slope if jac == "gradient" else None,
                      learning_rate=2 / (curvatures[0] + curvatures[-1]), gtol=1e-5, maxiter=20_000)
    assert result.success
    # ||w - exact|| <= ||gradient|| / (the smallest curvature)
    assert np.linalg.norm(result.x - exact) <= 1.1 * np.sqrt(11) * 1e-5 / curvatures[0]
    assert result.fun == pytest.approx(error(exact), rel=1e-9)


def test_regressions_on_each_feature(diabetes):
    """A line through every feature, with its own data, in one batch: slope and intercept of the closed form."""
    A, y = diabetes
    slopes = A[:, 1:].T @ y / len(y)  # of columns of mean 0 and variance 1

    def error(w, feature):
        residual = w[0] + w[1] * feature - y[:, None]
        return (residual * residual).mean(axis=0)

    result = minimize(error, np.zeros((10, 2)), vectorized=True, batch_args=(A[:, 1:].T,), learning_rate=0.3, gtol=1e-4)
    assert result.success.all()
    np.testing.assert_allclose(result.x, np.column_stack([np.full(10, y.mean()), slopes]), atol=1e-3)


def misfit(p, y):
    """Mean squared error of a exp(-b t) + c, for one row of data or for a block of them as columns."""
    t = T.reshape((-1,) + (1,) * (np.ndim(y) - 1))
    residual = p[0] * np.exp(-p[1] * t) + p[2] - y
    return (residual * residual).mean(axis=0)


def decays(n_rows, noise):
    """Parameters (a, b, c) and a row of data for each of them."""
    rng = np.random.default_rng(13)
    truth = np.column_stack([rng.uniform(1, 3, n_rows), rng.uniform(0.6, 1.4, n_rows), rng.uniform(-0.5, 0.5, n_rows)])
    data = truth[:, :1] * np.exp(-truth[:, 1:2] * T) + truth[:, 2:]
    return truth, data + noise * rng.normal(size=data.shape)


def fit(data):
    """At a rate below 2 / (the largest curvature), which is 4.2 for the steepest of these rows."""
    return minimize(misfit, np.broadcast_to([2.0, 1.0, 0.0], (len(data), 3)), vectorized=True, batch_args=(data,),
                    learning_rate=0.4, maxiter=20_000, gtol=1e-7)


def test_decays_without_noise():
    """The parameters from which the data were made are recovered, row by row."""
    truth, data = decays(60, 0.0)
    result = fit(data)
    assert result.success.all()
    np.testing.assert_allclose(result.x, truth, atol=1e-4)
    assert result.fun.max() < 1e-10


def test_decays_with_noise():
    """Noisy rows get the fit that a least-squares solver finds for each of them, and the bits of a batch of one."""
    _, data = decays(60, 0.05)
    result = fit(data)
    assert result.success.all()
    for row in (0, 17, 59):
        solution = least_squares(lambda p, y=data[row]: p[0] * np.exp(-p[1] * T) + p[2] - y, [2.0, 1.0, 0.0],
                                 xtol=1e-12, ftol=1e-12, gtol=1e-12)
        np.testing.assert_allclose(result.x[row], solution.x, atol=1e-4)
        assert result.fun[row] == pytest.approx(2 * solution.cost / len(T), rel=1e-7)
        assert bits(fit(data[row:row + 1]), 0) == bits(result, row)
