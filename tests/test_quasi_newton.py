"""BFGS and L-BFGS: against the same search in NumPy with dense formulas, and what they promise."""

import numpy as np
import pytest

import fastgd
from fastgd import Status, functions, maximize, methods, minimize

from . import reference
from .problems import bits, counted, rosenbrock, slopes_of_rosenbrock, valley

RULES = {"bfgs": (methods.BFGS(), None), "lbfgs": (methods.LBFGS(), 10), "lbfgs 3": (methods.LBFGS(3), 3)}
EACH = pytest.mark.parametrize("name", RULES)
QUASI_NEWTON = [method for method, _ in RULES.values()]


def slopes_of_valley(x):
    slopes = [2 * (i + 1) * x[i] + 0.4 * x[i] * x[i] * x[i] for i in range(len(x))]
    slopes[0] = slopes[0] + x[-1]
    slopes[-1] = slopes[-1] + x[0]
    return np.array(slopes)


def wavy(x):
    return np.cos(x).sum(axis=0) + 0.05 * (x * x).sum(axis=0)


def slopes_of_wavy(x):
    return 0.1 * x - np.sin(x)


CASES = {
    "valley": (valley, slopes_of_valley, [0.7, -1.9, 3.0, 1.1], 8),
    "rosenbrock": (rosenbrock, slopes_of_rosenbrock, [-1.2, 1.0], 9),
    "wavy": (wavy, slopes_of_wavy, [0.1, 2.5, -0.4], 12),  # bends down at the start: steps without curvature
}
PROBLEMS = pytest.mark.parametrize("case", CASES)


def quadratic(n, condition, seed=0):
    """A function, its gradient, its matrix and its minimizer; rotated at random."""
    rng = np.random.default_rng(seed)
    Q = np.linalg.qr(rng.normal(size=(n, n)))[0]
    A = Q @ np.diag(np.geomspace(1.0, condition, n)) @ Q.T
    A = (A + A.T) / 2
    center = rng.normal(size=n)
    return lambda x: (x - center) @ A @ (x - center) / 2, lambda x: A @ (x - center), A, center


# Against the algorithm in NumPy


@EACH
@PROBLEMS
def test_iterates_are_those_of_dense_formulas(name, case):
    """H in the product form, or made anew of the last pairs, gives the same iterates, as far as rounding is not yet
    magnified."""
    fun, slope, x0, n = CASES[case]
    method, memory = RULES[name]
    expected = reference.armijo(fun, slope, x0, n, reference.QuasiNewton(memory))
    result = minimize(fun, x0, method=method, jac=slope, maxiter=n, gtol=1e-6, trace=1)
    assert len(expected) > 6
    np.testing.assert_allclose(result.trace.x, expected, rtol=1e-7, atol=1e-9)


@EACH
@pytest.mark.parametrize(("lower", "upper"), [([-1.0, -1.0], [0.8, 2.0]), ([0.5, -np.inf], [np.inf, 0.9]),
                                              ([-0.5, 0.25], [-0.5, 3.0]), ([-1.5, -2.0], [1.5, 0.5])])
def test_bounded_iterates_are_those_of_dense_formulas(name, lower, upper):
    x0, lower, upper = np.clip([-1.2, 1.0], lower, upper), np.array(lower), np.array(upper)
    method, memory = RULES[name]
    expected = reference.armijo(rosenbrock, slopes_of_rosenbrock, x0, 15, reference.QuasiNewton(memory), lower=lower,
                                upper=upper)
    result = minimize(rosenbrock, x0, method=method, jac=slopes_of_rosenbrock, maxiter=15, bounds=(lower, upper),
                      trace=1)
    np.testing.assert_allclose(result.trace.x, expected, rtol=1e-7, atol=1e-9)


@EACH
def test_directions_are_those_of_dense_formulas(name):
    """To 1e-12, from iterates and gradients that the run itself has recorded: no error is magnified on the way."""
    fun, slope, _, center = quadratic(6, 30.0)
    method, memory = RULES[name]
    trace = minimize(fun, center + 1.0, method=method, jac=slope, gtol=1e-5, trace=1).trace
    direction, before = reference.QuasiNewton(memory), None
    for x, g, after in zip(trace.x, trace.jac, trace.x[1:], strict=False):
        d = direction(x, g, before, np.zeros(6, bool))
        step = after - x
        along = np.dot(step, d) / np.dot(d, d)
        rounding = 4.0 * np.finfo(float).eps * np.abs(x).max()  # of x + step
        np.testing.assert_allclose(step, along * d, rtol=0.0, atol=1e-12 * np.abs(d).max() + rounding)
        before = x, g
    assert len(trace) > 8


def exact_search(fun, slope, A, x, direction, n_steps):
    """The iterates if every step goes to the minimum along its direction, which on a quadratic is known."""
    path, before = [x], None
    for _ in range(n_steps):
        g = slope(x)
        if np.abs(g).max() < 1e-8:
            break
        d = direction(x, g, before, np.zeros(len(x), bool))
        before, x = (x, g), x - np.dot(g, d) / (d @ A @ d) * d
        path.append(x)
    return np.array(path)


@pytest.mark.parametrize("n", [2, 5, 12])
def test_exact_searches_end_after_as_many_steps_as_there_are_variables(n):
    """The oracle's own check: its directions are conjugate, so that BFGS and L-BFGS with enough memory take the same
    steps on a quadratic function, and n of them are enough (Nocedal, Wright, theorem 6.4)."""
    fun, slope, A, center = quadratic(n, 50.0)
    dense = exact_search(fun, slope, A, center + 1.0, reference.QuasiNewton(), n + 2)
    limited = exact_search(fun, slope, A, center + 1.0, reference.QuasiNewton(n), n + 2)
    assert len(dense) <= n + 2
    np.testing.assert_allclose(limited[: len(dense)], dense[: len(limited)], atol=1e-7)
    np.testing.assert_allclose(dense[-1], center, atol=1e-7)


# What they promise


@pytest.mark.parametrize("condition", [1e2, 1e6])
@pytest.mark.parametrize("n", [2, 10, 30])
def test_quadratic(n, condition):
    """A few times as many iterations as variables, where the gradient alone takes many times the root of the
    condition."""
    fun, slope, _, center = quadratic(n, condition)
    result = minimize(fun, center + 1.0, jac=slope, method="bfgs", gtol=1e-5)
    assert result.success
    assert result.nit <= 6 * n + 25
    np.testing.assert_allclose(result.x, center, atol=2e-5)


@EACH
def test_rosenbrock_of_twenty_variables(name):
    """A tenth of what the spectral gradient needs."""
    method, _ = RULES[name]
    x0 = np.tile([-1.2, 1.0], 10)
    result, spectral = (minimize(functions.rosenbrock, x0, method=m, maxiter=10_000) for m in (method, "gd"))
    assert result.success
    np.testing.assert_allclose(result.x, 1.0, atol=1e-4)
    assert result.nfev < spectral.nfev / 3


@EACH
@pytest.mark.parametrize("vectorized", [False, True])
def test_side_by_side(name, vectorized):
    """Each problem has the bits that it has alone, also where searches take differently long and bounds hold some."""
    method, _ = RULES[name]
    x0 = np.random.default_rng(4).uniform(-3, [0.9, 3], (60, 2))
    for options in ({}, {"bounds": (-3, [0.9, 3])}, {"maxfev": 60}, {"jac": slopes_of_rosenbrock}):
        batch = minimize(rosenbrock, x0, vectorized=vectorized, method=method, **options)
        for problem in range(0, 60, 7):
            alone = minimize(rosenbrock, x0[problem], method=method, **options)
            assert bits(alone) == bits(batch, problem)
    pair = {"fun": lambda x: (rosenbrock(x), slopes_of_rosenbrock(x)), "jac": True, "method": method}
    batch = minimize(x0=x0, vectorized=vectorized, **pair)
    for problem in range(0, 60, 7):
        assert bits(minimize(x0=x0[problem], **pair)) == bits(batch, problem)


@EACH
@pytest.mark.parametrize("options", [{"workers": 2, "chunk_size": 37}, {"chunk_size": 500}, {"checkpoint": "run.npz"}],
                         ids=str)
def test_chunks_and_workers(name, options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x0 = np.random.default_rng(5).uniform(-2, 2, (300, 10))
    fun = functions.rosenbrock.compiled
    whole = minimize(fun, x0, method=RULES[name][0])
    assert bits(minimize(fun, x0, method=RULES[name][0], **options)) == bits(whole)


@EACH
def test_more_problems_than_lanes(name):
    """Nothing of a lane's past reaches the next problem, in whatever slot its neighbours keep their latest pair."""
    method, _ = RULES[name]
    x0 = np.random.default_rng(6).uniform(-2, 2, (1000, 3))
    fun = functions.rosenbrock.compiled
    batch = minimize(fun, x0, method=method)
    order = np.random.default_rng(7).permutation(1000)
    assert bits(minimize(fun, x0[order], method=method)) == bits(batch, order)
    assert bits(minimize(fun, x0[500:530], method=method)) == bits(batch, slice(500, 530))


@EACH
def test_function_is_never_called_outside_the_bounds(name):
    seen = []

    def fun(x):
        seen.append(np.array(x))
        return rosenbrock(x)

    bounds = np.array([-1.5, -0.5]), np.array([0.7, 0.4])
    result = minimize(fun, [-1.5, 0.4], method=RULES[name][0], bounds=bounds)
    assert result.success
    assert (np.array(seen) >= bounds[0]).all()
    assert (np.array(seen) <= bounds[1]).all()
    expected = minimize(rosenbrock, [-1.5, 0.4], method="gd", bounds=bounds)
    np.testing.assert_allclose(result.x, expected.x, atol=1e-5)


@EACH
def test_bounds_at_infinity_change_no_bit(name):
    x0 = np.random.default_rng(8).uniform(-2, 2, (20, 2))
    free = minimize(rosenbrock, x0, method=RULES[name][0])
    assert bits(minimize(rosenbrock, x0, method=RULES[name][0], bounds=(-np.inf, np.inf))) == bits(free)


@EACH
def test_tiny_units(name):
    """Products that underflow are no curvature: the run ends with finite numbers, and claims a success only where there
    is nothing left."""
    result = minimize(lambda x: 1e-150 * (x[0] * x[0] + 30 * x[1] * x[1]), [1.0, 1.0], gtol=0.0, method=RULES[name][0],
                      jac=lambda x: 1e-150 * np.array([2 * x[0], 60 * x[1]]))
    assert np.isfinite(result.x).all()
    assert result.status in (Status.GTOL, Status.PRECISION, Status.STALLED, Status.MAXITER)
    assert not result.success or np.abs(result.x).max() <= 1e-60


@EACH
def test_evaluations_are_counted(name):
    fun, calls = counted(rosenbrock)
    result = minimize(fun, [-1.2, 1.0], method=RULES[name][0])
    assert result.nfev == sum(calls)
    assert result.njev == result.nit + 1


@EACH
@pytest.mark.parametrize("exponent", [-300, -40, 25, 300])
def test_unit_of_the_function(name, exponent):
    """A power of two in front of f and of gtol changes no bit of the path."""
    def run(factor):
        return minimize(lambda x: factor * rosenbrock(x), [-1.2, 1.0], jac=lambda x: factor * slopes_of_rosenbrock(x),
                        gtol=factor * 1e-6, method=RULES[name][0], trace=1)

    result, scaled = run(1.0), run(2.0**exponent)
    assert np.array_equal(scaled.trace.x, result.trace.x)
    assert (scaled.nit, scaled.nfev, scaled.status) == (result.nit, result.nfev, result.status)
    assert result.success


@EACH
def test_maximum(name):
    method, _ = RULES[name]
    low = minimize(rosenbrock, [-1.2, 1.0], method=method)
    high = maximize(lambda x: -rosenbrock(x), [-1.2, 1.0], method=method)
    assert bits(high)["x"] == bits(low)["x"]
    assert (high.fun, high.nfev, high.status) == (-low.fun, low.nfev, low.status)
    assert np.array_equal(high.jac, -low.jac)


@EACH
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_wall(name, value):
    """Trials behind it are rejected, and the minimum before it is found."""
    result = minimize(lambda x: x[0] - np.log(x[0]) + (x[1] - x[0]) ** 2 if x[0] > 0.0 else value, [0.01, 20.0],
                      method=RULES[name][0])
    assert result.success
    np.testing.assert_allclose(result.x, 1.0, atol=1e-5)


@EACH
@pytest.mark.parametrize("bounds", [None, (1e-3, 10.0)])
@pytest.mark.parametrize("distance", [0.01, 0.03, 0.05])
def test_steep_start(name, bounds, distance):
    """Of two atoms too close: what the first step has shown of the curvature lets nothing move, and is forgotten."""
    result = minimize(lambda r: 4.0 * (r**-12 - r**-6), distance, bounds=bounds, method=RULES[name][0])
    assert result.success
    assert result.x == pytest.approx(2.0 ** (1 / 6), abs=1e-6)


@EACH
def test_rounding_of_long_sums(name):
    """Values of 10,000 terms, added one by one, say nothing near the minimum where gradients are still right."""
    def fun(x):
        total = 0.0 * x[0]
        for k in range(1, 10_000):
            total = total + (x[0] - 1.0 / k) ** 2 + (x[1] + 1.0 / k) ** 2
        return total

    result = minimize(fun, np.random.default_rng(0).normal(size=(200, 2)), vectorized=True, method=RULES[name][0])
    assert result.success.all()


@EACH
def test_large_constant(name):
    """Where rounding hides the function the run ends soon, near the minimum."""
    result = minimize(lambda x: 1e8 + (x[0] - 1.0) ** 2 + 10.0 * (x[1] + x[0]) ** 2, [3.0, 2.0], method=RULES[name][0],
                      maxiter=1000)
    assert result.status in (Status.GTOL, Status.STALLED)
    assert result.nfev < 1000
    np.testing.assert_allclose(result.x, [1.0, -1.0], atol=0.05)


@EACH
def test_ends(name):
    method, _ = RULES[name]
    options = {"method": method}
    assert minimize(lambda x: np.nan, [1.0], **options).status == Status.NONFINITE
    assert minimize(lambda x: x[0] if x[0] > -1e8 else -np.inf, [0.0], **options).status == Status.UNBOUNDED
    assert minimize(lambda x: 3.0, [1.0], **options).status == Status.GTOL
    assert minimize(rosenbrock, [-1.2, 1.0], maxiter=3, **options).nit == 3
    result = minimize(rosenbrock, [-1.2, 1.0], maxfev=50, **options)
    assert (result.status, result.nfev <= 50) == (Status.MAXFEV, True)
    kink = minimize(lambda x: abs(x[0]) + 10 * abs(x[1]), [1.3, 0.7], **options)
    assert not kink.success or np.abs(kink.x).max() < 1e-5


@EACH
def test_stationary_start(name):
    result = minimize(lambda x: (x * x).sum(), [0.0, 0.0], method=RULES[name][0])
    assert (result.status, result.nit, result.fun) == (Status.GTOL, 0, 0.0)


@pytest.mark.parametrize("method", ["bfgs", "lbfgs", "newton"])
def test_no_learning_rate(method):
    with pytest.raises(ValueError, match="has no learning rate: it searches for its steps"):
        minimize(rosenbrock, [-1.2, 1.0], method=method, learning_rate=0.1)
    with pytest.raises(ValueError, match="noise does not go with"):
        minimize(rosenbrock, [-1.2, 1.0], method=method, noise=fastgd.noise.GaussianNoise())


@pytest.mark.parametrize(("memory", "error"), [(0, ValueError), (-1, ValueError), (2.5, TypeError), (True, TypeError)])
def test_memory_is_a_positive_integer(memory, error):
    with pytest.raises(error, match="memory"):
        methods.LBFGS(memory)


@pytest.mark.parametrize(("n_dim", "method"), [(1, "bfgs"), (2, "bfgs"), (40, "bfgs"), (41, "lbfgs"), (100, "lbfgs")])
def test_default(n_dim, method):
    """BFGS up to 40 dimensions, then L-BFGS; gradient descent where a rate is given."""
    x0 = np.linspace(-1.0, 1.5, n_dim)
    assert bits(minimize(valley, x0, maxiter=15)) == bits(minimize(valley, x0, maxiter=15, method=method))
    rate = {"learning_rate": 1e-3, "maxiter": 20}
    assert bits(minimize(valley, x0, **rate)) == bits(minimize(valley, x0, method="gd", **rate))


def test_scalar_start():
    result = minimize(lambda x: (x - 2.0) ** 4 + x, 5.0)
    assert result.success
    assert 4.0 * (result.x - 2.0) ** 3 == pytest.approx(-1.0, abs=1e-5)
