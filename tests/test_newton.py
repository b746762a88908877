"""Newton's method: Hessians against closed forms, and what it promises."""

import math
from itertools import pairwise

import numpy as np
import pytest
import scipy.optimize

import fastgd
from fastgd import Status, functions, methods, minimize

from .problems import CHECKS_OF_JAC, bits, counted, rosenbrock, slopes_of_rosenbrock, valley


def quadratic(n, seed=0):
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(n, n))
    A = A @ A.T + np.eye(n)
    b = rng.normal(size=n)
    return lambda x: x @ A @ x / 2 - b @ x, lambda x: A @ x - b, A, b


def twice(x):
    """Of + - * alone, for points and blocks."""
    total = rosenbrock(x)
    for i in range(len(x) - 1):
        total = total + x[i] * x[i] * x[i + 1] * x[i + 1]
    return total


@pytest.mark.parametrize("n", [1, 2, 5, 12])
@pytest.mark.parametrize("kind", ["values", "gradients", "vectorized", "jit", "jit exact"])
def test_quadratic_in_one_step(n, kind):
    """H of a quadratic function is exact, however it is found, and so is the step."""
    fun, slope, A, b = quadratic(n)
    options = {"values": {}, "gradients": {"jac": slope}, "vectorized": {"vectorized": True}, "jit": {},
               "jit exact": {"jac": "exact"}}[kind]
    if kind == "vectorized":
        fun = lambda x: (x * np.einsum("ij,jk->ik", A, x)).sum(axis=0) / 2 - (b[:, None] * x).sum(axis=0)  # noqa: E731
    elif kind.startswith("jit"):
        pytest.importorskip("numba")
        fun = fastgd.jit(fun)
    result = minimize(fun, np.ones(n), method="newton", gtol=1e-4, **options)
    assert (result.nit, result.status) == (1, Status.GTOL)
    np.testing.assert_allclose(result.x, np.linalg.solve(A, b), atol=1e-5)


@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize("bounds", [None, (-1.3, [0.9, 0.4])])
def test_steps_are_newton_steps(vectorized, bounds):
    """The first step is -H^-1 g with SciPy's Hessian, where that is positive definite; also beside a bound."""
    x0 = np.array([-1.2, 1.0]) if bounds is None else np.array([-1.2, 0.4])
    result = minimize(rosenbrock, x0[None], method="newton", maxiter=1, bounds=bounds, vectorized=vectorized)
    step = -np.linalg.solve(scipy.optimize.rosen_hess(x0), slopes_of_rosenbrock(x0))
    if bounds is not None:  # x1 leads outside: it stays where it is
        assert slopes_of_rosenbrock(x0)[1] < 0.0
        step = np.array([-slopes_of_rosenbrock(x0)[0] / scipy.optimize.rosen_hess(x0)[0, 0], 0.0])
    np.testing.assert_allclose(result.x[0] - x0, step, rtol=1e-6)


def test_digits_double():
    """With exact derivatives the error of each of the last steps is about the square of the one before."""
    pytest.importorskip("numba")
    fun = fastgd.jit(functions.rosenbrock.formula)
    path = minimize(fun, [-1.2, 1.0], method="newton", jac="exact", gtol=1e-9, trace=1).trace.x
    errors = np.linalg.norm(path - 1.0, axis=1)[-4:]
    assert errors[-1] < 1e-8
    for error, following in pairwise(errors):
        assert following < 100.0 * error**2 + 1e-12


@pytest.mark.parametrize("options", [{}, {"jac": slopes_of_rosenbrock}, {"jac": True}, {"bounds": (-1.5, [0.7, 2.0])},
                                     {"bounds": (-1.5, [0.7, 2.0]), "jac": slopes_of_rosenbrock}, {"maxfev": 150}],
                         ids=["values", "gradients", "pairs", "bounds", "bounds and gradients", "maxfev"])
def test_side_by_side(options):
    """Every problem of a batch has the bits of its own pointwise run, in any order."""
    x0 = np.random.default_rng(4).uniform(-1.5, [0.7, 2.0], (50, 2))
    fun = (lambda x: (rosenbrock(x), slopes_of_rosenbrock(x))) if options.get("jac") is True else rosenbrock
    options = {"method": "newton", **options}
    batch = minimize(fun, x0, vectorized=True, **options)
    assert len(np.unique(batch.nit)) > 2
    for problem in range(50):
        assert bits(minimize(fun, x0[problem], **options)) == bits(batch, problem)
    order = np.random.default_rng(1).permutation(50)
    assert bits(minimize(fun, x0[order], vectorized=True, **options)) == bits(batch, order)


@pytest.mark.parametrize("options", [{"workers": 2, "chunk_size": 37}, {"chunk_size": 500}, {"checkpoint": "run.npz"}],
                         ids=str)
@pytest.mark.parametrize("jac", [None, "exact"])
def test_chunks_and_workers(options, jac, tmp_path, monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.chdir(tmp_path)
    fun = fastgd.jit(functions.rosenbrock.formula)
    x0 = np.random.default_rng(5).uniform(-2, 2, (200, 4))
    whole = minimize(fun, x0, method="newton", jac=jac)
    assert whole.success.all()
    assert bits(minimize(fun, x0, method="newton", jac=jac, **options)) == bits(whole)


@pytest.mark.parametrize("jac", [None, slopes_of_rosenbrock])
def test_evaluations_are_counted(jac):
    fun, calls = counted(rosenbrock)
    slopes, gradients = counted(jac) if jac else (None, [])
    result = minimize(fun, [-1.2, 1.0], method="newton", jac=slopes)
    assert result.success
    assert result.nfev == sum(calls) - (CHECKS_OF_JAC if jac else 0)
    if jac:
        assert result.njev == sum(gradients) == 3 * (result.nit + 1)
    else:  # of each gradient 4 values, of each Hessian 6
        assert result.nfev >= 10 * result.njev
        assert result.njev == result.nit + 1


@pytest.mark.parametrize("maxfev", range(1, 40))
def test_maxfev(maxfev):
    """It is never exceeded, and a gradient of the user's own leaves room for what it does not cost."""
    pair = minimize(lambda x: (rosenbrock(x), slopes_of_rosenbrock(x)), [-0.9, 0.7], jac=True, method="newton",
                    maxfev=maxfev)
    assert pair.nfev <= maxfev
    values = minimize(rosenbrock, [-0.9, 0.7], method="newton", maxfev=maxfev)
    assert values.nfev <= maxfev
    gradients = minimize(rosenbrock, [-0.9, 0.7], jac=slopes_of_rosenbrock, method="newton", maxfev=maxfev)
    assert gradients.nfev <= maxfev
    assert gradients.success or gradients.nfev == maxfev


def test_no_point_of_a_pair_is_asked_for_twice():
    seen = []

    def pair(x):
        seen.append(x.tobytes())
        return rosenbrock(x), slopes_of_rosenbrock(x)

    result = minimize(pair, [-0.9, 0.7], jac=True, method="newton")
    assert result.success
    assert len(set(seen)) == len(seen) == result.nfev + CHECKS_OF_JAC
    assert result.nfev == result.njev


@pytest.mark.parametrize("bounds", [(-1.5, [0.7, 0.4]), ([-1.2, -5.0], [-1.2, 5.0]), (-2.0, np.inf)])
def test_bounds(bounds):
    """The function is never called outside, and the answer is that of the spectral gradient."""
    lower, upper = (np.broadcast_to(side, 2) for side in bounds)
    seen = []

    def fun(x):
        seen.append(np.array(x))
        return rosenbrock(x)

    x0 = np.clip([-1.2, 0.4], lower, upper)
    result = minimize(fun, x0, method="newton", bounds=bounds)
    assert result.success
    assert (np.array(seen) >= lower).all()
    assert (np.array(seen) <= upper).all()
    np.testing.assert_allclose(result.x, minimize(rosenbrock, x0, method="gd", bounds=bounds).x, atol=1e-5)


@pytest.mark.parametrize("start", [[0.1, 0.1], [1e-3, -2.0], [0.0, 0.3]])
def test_saddle(start):
    """Where the Hessian is not positive definite the damped step leads down, away from the saddle."""
    result = minimize(lambda x: -x[0] ** 2 + x[0] ** 4 / 2 + (x[1] - x[0]) ** 2, start, method="newton")
    assert result.success
    if start[0]:
        assert abs(result.x[0]) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("exponent", [-300, -40, 25, 300])
def test_units(exponent):
    """A power of two in front of f and of gtol changes no bit of the path, and one in front of a coordinate, with exact
    derivatives, none but by rounding."""
    pytest.importorskip("numba")
    result = minimize(rosenbrock, [-1.2, 1.0], method="newton", trace=1)
    factor = 2.0**exponent
    scaled = minimize(lambda x: factor * rosenbrock(x), [-1.2, 1.0], method="newton", gtol=factor * 1e-6, trace=1)
    assert np.array_equal(scaled.trace.x, result.trace.x)
    assert scaled.nfev == result.nfev
    unit = np.array([1.0, 2.0 ** (exponent // 25)])
    exact = [minimize(fastgd.jit(lambda x, u: rosenbrock((x[0] / u[0], x[1] / u[1]))), [-1.2, u[1]], (u,), jac="exact",
                      method="newton", gtol=0.0, maxiter=12, trace=1).trace.x for u in (np.ones(2), unit)]
    np.testing.assert_allclose(exact[1] / unit, exact[0], rtol=1e-9)


def test_neighbours_do_not_lend_their_factors():
    """Where no damping helps, because the diagonal is nothing beside the rest, the step is along the negative gradient,
    and not made of the last factor of another problem."""
    pytest.importorskip("numba")
    fun = fastgd.jit(lambda x: x[0] * x[1] + np.exp(-x[0]**2) + np.exp(-x[1]**2))
    starts = np.array([[9.0, 1.0], [9.0, 8.5], [1.0, 2.0], [8.7, 9.0]])
    options = {"method": "newton", "jac": "exact", "maxiter": 50}
    batch = minimize(fun, starts, **options)
    for problem, start in enumerate(starts):
        assert bits(minimize(fun, start, **options)) == bits(batch, problem)


def test_scale_of_small_variables():
    """The steps of a Hessian by values know x_scale, too."""
    result = minimize(lambda x: rosenbrock((x[0] * 1e7, x[1] * 1e7)), [-1.2e-7, 1e-7], method="newton", x_scale=1e-7)
    assert result.success
    assert result.nit < 60
    np.testing.assert_allclose(result.x, 1e-7, rtol=1e-4)


def test_ends():
    options = {"method": "newton"}
    assert minimize(lambda x: np.nan, [1.0], **options).status == Status.NONFINITE
    assert minimize(lambda x: x[0] if x[0] > -1e6 else -np.inf, [0.0], **options).status == Status.UNBOUNDED
    assert minimize(lambda x: 3.0, [1.0], **options).status == Status.GTOL
    assert minimize(rosenbrock, [-1.2, 1.0], maxiter=3, **options).nit == 3
    result = minimize(rosenbrock, [-1.2, 1.0], maxfev=50, **options)
    assert (result.status, result.nfev <= 50) == (Status.MAXFEV, True)
    wall = minimize(lambda x: x[0] - math.log(x[0]) if x[0] > 0 else math.inf, [5.0], **options)
    assert wall.success
    assert wall.x[0] == pytest.approx(1.0, abs=1e-5)


def test_exception_in_a_hessian_is_raised_and_recorded():
    """Of the fifth value, which is the first of the Hessian at the start."""
    def fun(x, limit):
        calls.append(0)
        if len(calls) > limit:
            raise ArithmeticError("mine")
        return rosenbrock(x)

    calls = []
    with pytest.raises(ArithmeticError, match="mine") as caught:
        minimize(fun, [-1.2, 1.0], (6,), method="newton")
    assert caught.value.__notes__ == ["fastgd: raised for problem 0 at iteration 0"]
    calls = []
    result = minimize(fun, [-1.2, 1.0], (6,), method="newton", on_error="record")
    assert result.status == Status.EXCEPTION


def test_nan_in_one_hessian():
    """It ends no other problem."""
    def fun(x, bad):
        far = np.abs(x[0] - 1.0) + np.abs(x[1] - 1.0) > 1e-4
        return np.where(bad & far, np.nan, valley(x))

    bad = np.arange(20) % 3 == 0
    batch = minimize(fun, np.ones((20, 2)), vectorized=True, batch_args=(bad,), method="newton")
    assert (batch.status[bad] == Status.NONFINITE).all()
    assert bits(minimize(valley, np.ones(2), method="newton")) == bits(batch, 1)


def test_most_dimensions():
    with pytest.raises(ValueError, match=r"^Newton takes at most 50 dimensions, x0 has 51: use method='bfgs'"):
        minimize(valley, np.ones(51), method="newton")
    assert minimize(valley, np.ones(50), method=methods.Newton()).success
