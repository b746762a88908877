"""What can be trusted: no success where differences see nothing, laws of units, orders of the formulas, known noise."""

import math

import mpmath
import numpy as np
import pytest
import scipy.optimize

import fastgd
from fastgd import Difference, Status, functions, gradient, maximize, minimize

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
    assert "the function is 100, worse than -1.5 at the start" in result.message


@pytest.mark.parametrize("vectorized", [False, True, "rows"])
@pytest.mark.parametrize("way", ["jac", "pair", "callback"])
@pytest.mark.parametrize("solver", [minimize, maximize])
def test_plateau_with_a_gradient(vectorized, way, solver):
    """The same if the gradient is given, with values that a run would not need."""
    sign = 1.0 if solver is minimize else -1.0

    def fun(x):
        first = x[..., 0] if vectorized == "rows" else x[0]
        return sign * np.where(first < 2.0, -first, 100.0)

    def jac(x):
        first = x[..., :1] if vectorized == "rows" else x[:1]
        return sign * np.where(first < 2.0, -1.0, 0.0)

    options = {"jac": True} if way == "pair" else {"jac": jac}
    if way == "callback":
        options["callback"] = lambda *_: None
    result = solver((lambda x: (fun(x), jac(x))) if way == "pair" else fun, [[1.5], [0.0], [-1.0], [5.0]], maxiter=5,
                    learning_rate=1.0, vectorized=vectorized, **options)
    assert result.status.tolist() == [Status.STALLED, Status.STALLED, Status.STALLED, Status.GTOL]
    assert result.fun.tolist() == [100.0 * sign] * 4
    assert f"is {100 * sign:g}, worse than {-1.5 * sign:g} at the start" in result.message[0]


@pytest.mark.parametrize("jac", [None, "exact"])
def test_plateau_of_a_jitted_function(jac):
    pytest.importorskip("numba")
    fun = fastgd.jit(lambda x: np.where(x[0] < 2.0, -x[0], 100.0))
    result = minimize(fun, [[1.5], [5.0]], jac=jac, learning_rate=1.0)
    assert result.status.tolist() == [Status.STALLED, Status.GTOL]


def test_plateau_without_a_budget_for_the_start():
    """maxfev holds: without one more evaluation nothing is known of the start."""
    fun, jac = lambda x: -x[0] if x[0] < 2.0 else 100.0, lambda x: [-1.0 if x[0] < 2.0 else 0.0]
    result = minimize(fun, [1.5], jac=jac, learning_rate=1.0, maxfev=2)
    assert result.nfev == 2
    assert result.status == Status.STALLED
    assert minimize(fun, [1.5], jac=jac, learning_rate=1.0, maxfev=1).nfev == 1


@pytest.mark.parametrize("method", ["gd", "bfgs", "lbfgs", "newton", "adam"])
@pytest.mark.parametrize("failure", ["nan", "exception"])
@pytest.mark.parametrize("call", [2, 3, 11])
def test_simulator_that_fails_once(method, failure, call):
    """Inside a stencil, where another step is tried; at an iterate the search goes elsewhere or the problem fails."""
    calls = []

    def fun(x):
        calls.append(x.copy())
        if len(calls) == call and failure == "exception":
            raise OSError("no licence")
        return math.nan if len(calls) == call else bowl(x)

    options = {"learning_rate": 0.1} if method == "adam" else {}
    result = minimize(fun, [[0.3, 0.7]], method=method, on_error="record", **options)
    if call < 4:
        assert result.success.all()
        assert np.abs(result.x - MINIMUM).max() < 1e-4
        assert result.nfev == len(calls)
    else:
        assert result.success.all() or result.status[0] in (Status.NONFINITE, Status.EXCEPTION)


def test_simulator_that_fails_for_ever():
    """Beside the start, where it has a value: the status says so after one more try."""
    calls = []

    def fun(x):
        calls.append(x.copy())
        if x[1] != 0.7:
            raise OSError("no licence")
        return bowl(x)

    result = minimize(fun, [[0.3, 0.7]], on_error="record")
    assert result.status[0] == Status.EXCEPTION
    assert result.x.tolist() == [[0.3, 0.7]]
    assert result.nfev[0] == len(calls) <= 10


# Extrapolated differences

EXTRAPOLATED = Difference(adaptive=True)


@pytest.mark.parametrize(("fun", "x", "exact"), [
    (np.exp, 1.0, math.e), (np.log, 1e-3, 1e3), (lambda x: np.sin(50.0 * x), 0.3, 50.0 * math.cos(15.0)),
    (lambda x: np.tanh(100.0 * (x - 1.0)), 1.005, 100.0 / math.cosh(0.5) ** 2),
    (lambda x: 1e6 + np.sin(x), 1.0, math.cos(1.0)), (lambda x: np.exp(x / 1e8), 3e8, math.exp(3.0) / 1e8),
])
@pytest.mark.parametrize("side", [0, -1, 1])
def test_extrapolated_differences(fun, x, exact, side):
    """Nearly all digits, and an honest estimate of the error; also on one side of x."""
    bounds = {0: None, 1: ([x], [np.inf]), -1: ([-np.inf], [x])}[side]
    with np.errstate(all="ignore"):
        slope, error, nfev = gradient(lambda y: fun(y[0]), [x], method=EXTRAPOLATED, bounds=bounds, full_output=True)
    assert nfev == 18 + (side != 0)
    assert abs(slope[0] - exact) <= max(error[0], 2.0**-50 * abs(exact))
    assert error[0] <= (1e-3 if side else 1e-6 if fun(x) > 1e5 else 1e-8) * abs(exact)
    assert abs(slope[0] / exact - 1.0) <= (1e-6 if side or fun(x) > 1e5 else 1e-8)


def test_extrapolated_differences_in_batches():
    """Every point gets what it gets alone, in whatever form the function comes."""
    pytest.importorskip("numba")
    points = np.random.default_rng(5).normal(size=(3, 7, 2))

    def fun(x):
        return np.exp(x[0]) * np.sin(3.0 * x[1]) + x[0] * x[1]

    alone = np.array([gradient(fun, point, method=EXTRAPOLATED) for point in points.reshape(-1, 2)])
    x, y = points.reshape(-1, 2).T
    exact = np.column_stack([np.exp(x) * np.sin(3.0 * y) + y, 3.0 * np.exp(x) * np.cos(3.0 * y) + x])
    assert np.abs(alone - exact).max() < 1e-11
    for form, options in ((fun, {}), (fun, {"vectorized": True}), (fastgd.jit(fun), {})):
        slopes, errors, nfev = gradient(form, points, method=EXTRAPOLATED, full_output=True, **options)
        assert np.abs(slopes.reshape(-1, 2) - alone).max() < 1e-12
        assert slopes.shape == errors.shape == points.shape
        assert np.all(nfev == 36)


@over_forms
@pytest.mark.parametrize("difference", [Difference(order=4), Difference(order=8), Difference("2-point"), EXTRAPOLATED,
                                        Difference("5-point")])
@pytest.mark.parametrize("method", ["gd", "bfgs", "adam"])
def test_gradients_of_zeros_by_other_formulas(form, method, difference):
    """The start is the minimum, or nothing is seen there because of a large constant."""
    start, options = [MINIMUM] * 3, {"learning_rate": 0.1} if method == "adam" else {}
    result = solve(form, lambda x: (x[0] - 3.0) ** 4 + (x[1] + 1.0) ** 4, start, method=method, jac=difference,
                   gtol=1e-6, **options)
    assert result.success.all()
    result = solve(form, lambda x: (x[0] - 3.0) ** 4 + 1e18 + x[1], [[3.0, 0.0]] * 3, method=method, jac=difference,
                   **options)
    assert not result.success.any() or form == "jitted"  # which leaves the constant out of differences


@over_forms
@pytest.mark.parametrize("method", ["gd", "bfgs", "lbfgs", "adam"])
def test_runs_by_extrapolated_differences(form, method):
    options = {"learning_rate": 0.05, "maxiter": 20000} if method == "adam" else {}
    result = solve(form, lambda x: np.exp(bowl(x) / 20.0), [[0.3, 0.7], [2.0, 1.0], [3.0, -1.0]], method=method,
                   jac=EXTRAPOLATED, **options)
    assert result.success.all()
    assert np.abs(result.x - MINIMUM).max() < 2e-5


def test_extrapolated_differences_of_nothing():
    """Nowhere finite, between equal bounds, and without an order of their own."""
    with np.errstate(all="ignore"):
        slope, error, _ = gradient(lambda x: np.log(-x[0]), [1.0], method=EXTRAPOLATED, full_output=True)
    assert np.isnan(slope[0])
    assert error[0] == np.inf
    slope, error, _ = gradient(lambda x: x[0], [1.0], method=EXTRAPOLATED, bounds=([1.0], [1.0]), full_output=True)
    assert slope[0] == error[0] == 0.0
    for other in ({"order": 4}, {"step": 1e-3}, {"noise": 1e-3}, {"method": "2-point"}):
        with pytest.raises(ValueError, match="adaptive=True chooses steps and orders itself"):
            Difference(adaptive=True, **other)


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
