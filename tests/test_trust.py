"""What can be trusted: no success where differences see nothing, laws of units, orders of the formulas, known noise."""

import math

import mpmath
import numpy as np
import pytest
import scipy.optimize

import fastgd
from fastgd import Difference, Status, functions, gradient, minimize

from .problems import rosenbrock
from .test_difference import spied

FORMS = {"point": {}, "columns": {"vectorized": True}, "jitted": {}}


def solve(form, fun, x0, **options):
    if form == "jitted":
        pytest.importorskip("numba")
        fun = fastgd.jit(fun)
    return minimize(fun, x0, **FORMS[form], **options)


over_forms = pytest.mark.parametrize("form", FORMS)


def check(result, expected, tolerance):
    """A success is the minimum, and a failure says what was seen."""
    if result.success:
        assert np.all(np.abs(result.x - expected) <= tolerance), result
    elif result.status != Status.MAXITER:
        assert result.status == Status.STALLED
        assert len(result.message) > len(Status.STALLED.message), result


def bowl(x):
    return (x[0] - 3.0) ** 2 + 2.0 * (x[1] + 1.0) ** 2


MINIMUM = np.array([3.0, -1.0])


# Programs in which differences by the usual step see nothing, or what is not there

@pytest.mark.parametrize("form", ["point", "columns"])
@pytest.mark.parametrize("method", ["gd", "bfgs", "lbfgs", "newton"])
@pytest.mark.parametrize("offset", [0.0, 1.0, -7.0, 100.0, 1e4])
def test_values_in_single_precision(form, method, offset):
    result = solve(form, lambda x: np.asarray(bowl(x) + offset).astype(np.float32), [0.3, 0.7], method=method)
    assert result.success
    check(result, MINIMUM, 8.0 * math.sqrt(2.0**-23 * max(1.0, abs(offset))))


@pytest.mark.parametrize("form", ["point", "columns"])
@pytest.mark.parametrize("method", ["gd", "bfgs", "lbfgs"])
@pytest.mark.parametrize("digits", [2, 3, 4, 6, 8])
def test_values_that_are_rounded(form, method, digits):
    result = solve(form, lambda x: np.round(bowl(x), digits), [0.3, 0.7], method=method)
    check(result, MINIMUM, 8.0 * math.sqrt(10.0**-digits))


@over_forms
@pytest.mark.parametrize("method", ["gd", "bfgs", "lbfgs", "newton"])
@pytest.mark.parametrize("offset", [1e6, -1e9, 1e10, 1e12])
def test_large_constant(form, method, offset):
    result = solve(form, lambda x: bowl(x) + offset, [0.3, 0.7], method=method)
    assert result.success
    check(result, MINIMUM, 8.0 * math.sqrt(2.0**-52 * abs(offset)))


@over_forms
@pytest.mark.parametrize("method", ["gd", "bfgs", "lbfgs", "newton"])
@pytest.mark.parametrize(("center", "width"), [
    (2e-5, 1e-5), (-3e-8, 1e-8), (1e7, 0.5), (2457211.3, 0.5), (1e-15, 1e-15)])
def test_size_of_a_variable(form, method, center, width):
    """Small ones, and one that is large beside its width, as a Julian date is."""
    def fun(x):
        u = (x[0] - center) / width
        return 1.0 + u * u - 1.0 / (1.0 + u * u)

    result = solve(form, fun, [center + 0.8 * width], method=method)
    assert result.success or (method == "newton" and width < 2.0**-44)  # the shortest step
    check(result, center, max(1e-4 * width, 8.0 * math.ulp(center)))


@over_forms
@pytest.mark.parametrize("method", ["gd", "bfgs", "lbfgs", "newton"])
@pytest.mark.parametrize("scales", [(1e6, 1.0), (1.0, 1e-6), (1e-4, 1e4), (1e8, 1e3)])
def test_unlike_scales(form, method, scales):
    first, second = scales

    def fun(x):
        a, b = x[0] / first - 3.0, x[1] / second + 1.0
        return a * a + 2.0 * b * b + a * a * b * b

    result = solve(form, fun, [0.5 * first, 0.5 * second], method=method)
    assert result.success
    check(result, MINIMUM * scales, 1e-4 * np.array(scales))


@over_forms
@pytest.mark.parametrize("method", ["gd", "bfgs", "lbfgs", "newton"])
@pytest.mark.parametrize("size", [1e-9, 1e-15, 1e-30, 1e-100, 1e-250, 1e200])
def test_units_of_the_values(form, method, size):
    result = solve(form, lambda x: size * bowl(x), [0.3, 0.7], method=method)
    assert result.success
    check(result, MINIMUM, 1e-4)


@over_forms
@pytest.mark.parametrize(("method", "rate"), [("adam", 1.0), ("rmsprop", 0.1), ("momentum", 1.0), ("nadam", 1.0),
                                              ("gd", 1.0)])
def test_plateau_of_a_penalty(form, method, rate):
    """A step onto it leads to a gradient of zero, high above the start."""
    result = solve(form, lambda x: np.where(x[0] < 2.0, -x[0], 100.0) + 0.0 * x[0], [1.5], method=method,
                   learning_rate=rate)
    assert result.status == Status.STALLED
    assert "the function is 100, higher than -1.5 at the start" in result.message


@over_forms
@pytest.mark.parametrize(("step", "offset"), [(1e-12, 1e6), (1e-9, 1e9), (2.0**-40, 1e5), ([1e-10, 1e-12], 1e7)])
def test_given_step_that_is_lost(form, step, offset):
    """A gradient of zeros is not one of a minimum if rounding alone hides every difference."""
    result = solve(form, lambda x: 1e-3 * bowl(x) + offset, [0.3, 0.7], jac=Difference(step=step))
    if form == "jitted":  # differences of its terms, without the constant
        assert not result.success
    else:
        assert result.status == Status.STEP_UNDERFLOW
        assert "No difference is seen in any coordinate" in result.message


@pytest.mark.parametrize("method", ["gd", "bfgs", "lbfgs", "adam"])
def test_gradient_of_the_wrong_sign(method):
    with pytest.warns(RuntimeWarning, match=r"promises a change of -\d\S*, and the values change by \d"):
        result = minimize(bowl, [0.3, 0.7], method=method,
                          jac=lambda x: -np.array([2 * (x[0] - 3.0), 4 * (x[1] + 1.0)]))
    assert not result.success
    if method != "adam":
        assert result.status in (Status.STALLED, Status.NONFINITE, Status.UNBOUNDED, Status.MAXITER)


TIMES = np.linspace(0.0, 5.0, 40)


@pytest.mark.parametrize("form", ["point", "jitted"])
@pytest.mark.parametrize("method", ["bfgs", "lbfgs", "newton"])
@pytest.mark.parametrize("size", [1e6, 1.0, 1e-6, 1e-12])
def test_tolerance_for_falls_of_small_values(form, method, size):
    """Of a decay in counts per whatever is 1: ftol is relative to the values at the start."""
    counts = 3.0 * np.exp(-0.7 * TIMES)

    def fun(x):
        return size * np.sum((x[0] * np.exp(-x[1] * TIMES) - counts) ** 2)

    with np.errstate(over="ignore"):
        result = solve(form, fun, [2.0, 1.0], method=method, ftol=1e-9)
    assert result.success
    check(result, [3.0, 0.7], 1e-3)


# Laws

LAWFUL = ["rosenbrock", "beale", "booth", "himmelblau", "sphere", "zakharov"]


def named(name):
    return getattr(functions, name)


@pytest.mark.parametrize("k", [-900, -100, 1, 333, 900])
@pytest.mark.parametrize("method", ["bfgs", "lbfgs", "newton", "gd"])
@pytest.mark.parametrize("name", LAWFUL)
def test_units_of_f_change_nothing(name, method, k):
    """f -> 2^k f gives the same bits of x, and the same end."""
    fun = named(name)
    x0 = [[0.7, -0.4], [1.3, 0.9], [-1.2, 1.0]]
    expected = minimize(fun, x0, method=method, vectorized=True)
    result = minimize(lambda x: np.ldexp(fun(x), k), x0, method=method, vectorized=True)
    for field in ("x", "nit", "nfev", "status"):
        assert np.array_equal(result[field], expected[field]), field
    assert np.array_equal(result.fun, np.ldexp(expected.fun, k))


@pytest.mark.parametrize("k", [-300, -40, 1, 30, 300])
@pytest.mark.parametrize("method", ["bfgs", "lbfgs", "newton", "gd"])
@pytest.mark.parametrize("name", LAWFUL)
def test_units_of_x_change_nothing(name, method, k):
    """x -> 2^k x with that as x_scale, too."""
    fun = named(name)
    x0 = np.array([[0.7, -0.4], [1.3, 0.9], [-1.2, 1.0]])
    expected = minimize(fun, x0, method=method, vectorized=True, x_scale=1.0)
    result = minimize(lambda x: fun(np.ldexp(x, -k)), np.ldexp(x0, k), method=method, vectorized=True, x_scale=2.0**k)
    assert np.array_equal(result.x, np.ldexp(expected.x, k))
    for field in ("fun", "nit", "nfev", "status"):
        assert np.array_equal(result[field], expected[field]), field


@pytest.mark.parametrize("method", ["bfgs", "lbfgs", "newton", "gd"])
@pytest.mark.parametrize("name", LAWFUL)
def test_origin_of_x_changes_no_more_than_rounding(name, method):
    """Numbers near a million are 1e-10 apart."""
    fun = named(name)
    for start in ([0.75, -0.5], [1.25, 0.875]):
        expected = minimize(fun, start, method=method)
        result = minimize(lambda x: fun(x - 1e6), np.array(start) + 1e6, method=method)
        assert result.success == expected.success
        np.testing.assert_allclose(result.x - 1e6, expected.x, rtol=0, atol=1e-5)


# Orders

FORMULAS = {1: "2-point", 2: "3-point", 4: "5-point", 6: 6, 8: 8}


def formula(order, step):
    method = FORMULAS[order]
    return Difference(method, step=step) if isinstance(method, str) else Difference(order=method, step=step)


def slope_at(fun, x, difference, **options):
    return minimize(fun, [x], jac=difference, maxiter=0, **options).jac[0]


STEPS = {1: (2.0**-10, 2.0**-14), 2: (2.0**-6, 2.0**-9), 4: (2.0**-4, 2.0**-6), 6: (2.0**-2, 2.0**-4), 8: (0.5, 0.125)}


@pytest.mark.parametrize("side", [None, "lower", "upper"])
@pytest.mark.parametrize("order", FORMULAS)
def test_observed_order(order, side):
    """The error falls as h^order: between bounds, and on one side of x where one is near."""
    x = 0.4
    bounds = {None: None, "lower": (x, 9.0), "upper": (-9.0, x)}[side]
    coarse, fine = STEPS[order]
    if side and order >= 4:
        coarse, fine = coarse / 4.0, fine / (2.0 if order == 8 else 4.0)
    errors = [abs(slope_at(lambda v: math.exp(v[0]), x, formula(order, h), bounds=bounds) - math.exp(x))
              for h in (coarse, fine)]
    observed = math.log(errors[0] / errors[1]) / math.log(coarse / fine)
    assert abs(observed - order) < (0.1 if side is None or order < 4 else 0.5)


@pytest.mark.parametrize("order", [2, 4, 6, 8])
def test_quadratics_are_exact(order):
    """Of dyadic coefficients at dyadic points, by whatever formula."""
    for a, b in ((3.0, -2.0), (0.5, 7.0)):
        for x in (-2.0, 0.25, 1.5):
            found = slope_at(lambda v, a=a, b=b: a * v[0] * v[0] + b * v[0] + 1.0, x, formula(order, 2.0**-6))
            assert abs(found - (2.0 * a * x + b)) <= (0.0 if order == 2 else 2.0**-44)


ANALYTIC = {"exp": (np.exp, mpmath.exp), "sin": (np.sin, mpmath.sin), "log": (np.log, mpmath.log),
            "tanh": (np.tanh, mpmath.tanh), "product": (lambda u: u * np.exp(-u), lambda u: u * mpmath.exp(-u))}


@pytest.mark.parametrize("name", ANALYTIC)
def test_complex_step_is_exact_to_rounding(name):
    fun, exact = ANALYTIC[name]
    with mpmath.workdps(40):
        for u in (0.3, 0.7, 1.6, 2.9):
            slope = float(mpmath.diff(exact, u))
            assert abs(slope_at(lambda v: fun(v[0]), u, "cs") - slope) <= 2.0 * math.ulp(slope)


def test_points_of_the_formulas():
    """A formula of order p asks for p points in a coordinate, and looks nowhere again."""
    for order in FORMULAS:
        fun, points = spied(rosenbrock)
        minimize(fun, [0.5, 0.25], jac=formula(order, 2.0**-10), learning_rate=1e-3, maxiter=0)
        assert len(points) == 2 * order + 1


# Noise

def test_known_noise():
    """With noise of 1e-6 on Rosenbrock's function, knowing it leads 100 times nearer than not, or than SciPy's BFGS."""
    ways = {"known": [], "unknown": [], "scipy": []}
    for seed in range(15):
        def fun(x, rng=None):
            return rosenbrock(x) + 1e-6 * rng.normal()

        for way, ends in ways.items():
            args = (np.random.default_rng(seed),)
            if way == "scipy":
                x = scipy.optimize.minimize(fun, [-1.2, 1.0], args, method="BFGS").x
            else:
                x = minimize(fun, [-1.2, 1.0], args, method="bfgs",
                             jac=Difference(noise=1e-6) if way == "known" else None).x
            ends.append(np.abs(x - 1.0).max())
    medians = {way: np.median(ends) for way, ends in ways.items()}
    assert medians["known"] < 0.01 * medians["scipy"], medians
    assert medians["known"] < 0.01 * medians["unknown"], medians


# Starts at a minimum, and slopes by themselves


@pytest.mark.parametrize("method", ["bfgs", "lbfgs", "newton", "gd"])
@pytest.mark.parametrize("fun", functions.BY_NAME.values(), ids=lambda fun: fun.name)
def test_a_start_at_a_minimum_is_a_success(fun, method):
    """Known to the last digits, it leaves nothing but rounding."""
    for minimizer in fun.minimizers(fun.n_dim):
        result = minimize(fun, minimizer, method=method)
        assert result.success, result.message
        np.testing.assert_allclose(result.x, minimizer, rtol=0, atol=1e-6)


@pytest.mark.parametrize("scale", [1e-8, 1e-4, 1.0, 1e4, 1e8])
@pytest.mark.parametrize(("fun", "slope", "place"), [
    (np.log, lambda x: 1 / x, 2.0), (np.sqrt, lambda x: 0.5 / np.sqrt(x), 3.0), (np.sin, np.cos, 1.0),
    (lambda x: np.exp(-x * x), lambda x: -2 * x * np.exp(-x * x), 0.7),
    (lambda x: 1 / (1 + 25 * x * x), lambda x: -50 * x / (1 + 25 * x * x)**2, 0.3),
    (lambda x: 1e6 + np.sin(3 * x), lambda x: 3 * np.cos(3 * x), 1.0),
], ids=["log", "sqrt", "sin", "peak", "tails", "constant"])
def test_slopes_in_any_units(fun, slope, place, scale):
    """Of functions that vary over a scale of their own, seen by steps that begin at that of 1."""
    with np.errstate(all="ignore"):
        found, error, _ = gradient(lambda x: fun(x / scale), place * scale, full_output=True)
    expected = slope(place) / scale
    assert abs(found / expected - 1) < 1e-5
    assert abs(found - expected) <= 2 * error
