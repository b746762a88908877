"""Every method on the one loop: when it ends, what it counts and shows, and that its options mean the same."""

import copy
import dataclasses
import math
import pickle

import numpy as np
import pytest
import scipy.optimize

from fastgd import Difference, Status, gradient, maximize, methods, minimize, schedules, scipy_method
from fastgd.noise import GaussianNoise

from .problems import CHECKS_OF_JAC, FIELDS, bits, counted, rosenbrock, slopes_of_rosenbrock, valley

METHODS = {"gd, fixed": methods.GradientDescent(0.02)} | {
    name: method if method.fixed_rate is None else dataclasses.replace(method, learning_rate=0.02)
    for name, method in methods.BY_NAME.items()}
SEARCHES = [name for name, method in METHODS.items() if method.fixed_rate is None]
every_method = pytest.mark.parametrize("name", METHODS)
WITH_RATES = [name for name, method in METHODS.items() if isinstance(method, methods.FirstOrder)]
every_method_with_rates = pytest.mark.parametrize("name", WITH_RATES)
with_and_without_bounds = pytest.mark.parametrize("bounds", [None, ([-0.6, 0.25], [0.5, 3.0])], ids=["free", "bounded"])
X0 = np.array([0.5, 1.0])


def every_method_with(choices):
    """Options by name, each for the methods that take it: a search takes no noise, and not each of them a rate."""
    return pytest.mark.parametrize(("name", "options"), [
        pytest.param(name, options, id=f"{text}-{name}") for text, options in choices.items() for name in METHODS
        if name not in SEARCHES or ("noise" not in options and (name in WITH_RATES or "learning_rate" not in options))])


def slopes_of_valley(x):
    result = np.array([2 * (i + 1) * x[i] + 0.4 * x[i] ** 3 for i in range(len(x))])
    result[0] += x[-1]
    result[-1] += x[0]
    return result


def solve(name, fun=valley, x0=X0, **options):
    return minimize(fun, x0, **{"method": METHODS[name], "maxiter": 60, "gtol": 0.0, **options})


# When a run ends, by the numbers of its trace

def projected_norms(trace, bounds):
    """max |g|, where a component that leads outside from a bound counts as 0."""
    lower, upper = (-np.inf, np.inf) if bounds is None else bounds
    leads_outside = trace.x == np.where(trace.jac > 0, lower, upper)
    return np.where(leads_outside, 0.0, np.abs(trace.jac)).max(axis=1)


def first(holds):
    return int(np.argmax(holds)) if np.any(holds) else None


def steps_within(trace, xtol):
    """|x_k - x_(k-1)| <= xtol max(1, |x_k|) in every coordinate; never at the start."""
    small = np.abs(np.diff(trace.x, axis=0)) <= xtol * np.maximum(1.0, np.abs(trace.x[1:]))
    return np.append(False, small.all(axis=1))


def falls_within(trace, ftol):
    """0 < f_(k-1) - f_k <= ftol max(|f_k|, min(1, |f_0|))."""
    falls, floor = -np.diff(trace.fun), min(1.0, abs(trace.fun[0]))
    return np.append(False, (falls > 0) & (falls <= ftol * np.maximum(floor, np.abs(trace.fun[1:]))))


CRITERIA = {
    "gtol": (Status.GTOL, lambda trace, bounds: projected_norms(trace, bounds),
             lambda trace, bounds, tol: projected_norms(trace, bounds) <= tol),
    "xtol": (Status.XTOL, lambda trace, bounds: np.abs(np.diff(trace.x, axis=0)).max(axis=1),
             lambda trace, bounds, tol: steps_within(trace, tol)),
    "ftol": (Status.FTOL, lambda trace, bounds: np.abs(np.diff(trace.fun)),
             lambda trace, bounds, tol: falls_within(trace, tol)),
    "ftarget": (Status.FTARGET, lambda trace, bounds: trace.fun, lambda trace, bounds, tol: trace.fun <= tol),
}


@every_method
@with_and_without_bounds
@pytest.mark.parametrize("criterion", CRITERIA)
@pytest.mark.parametrize("vectorized", [False, True])
def test_criterion_ends_the_run_where_it_first_holds(name, bounds, criterion, vectorized):
    """The status comes at the first iterate of the path at which the criterion, computed from it, holds: by steps that
    are taken as they are, since others may be mended at the end."""
    status, sizes, holds = CRITERIA[criterion]
    options = {"bounds": bounds, "vectorized": vectorized, "jac": Difference(step=2.0**-17)}
    path = solve(name, trace=1, **options).trace
    assert path.nit.tolist() == list(range(len(path)))
    n_checked = 0
    sizes_seen = sizes(path, bounds)
    for tolerance in np.quantile(sizes_seen[sizes_seen > 0], [0.1, 0.3, 0.5, 0.9], method="lower"):
        for tol in (tolerance, np.nextafter(tolerance, 0.0)):
            expected = first(holds(path, bounds, tol))
            if expected is None:
                continue
            result = solve(name, **options, **{criterion: tol})
            wanted = status if projected_norms(path, bounds)[expected] > 0 else Status.GTOL  # which comes first
            assert (result.status, result.nit) == (wanted, expected)
            assert result.message == wanted.message
            assert result.success
            assert np.array_equal(result.x, path.x[expected])
            assert np.array_equal(result.jac, path.jac[expected])
            assert result.fun == path.fun[expected]
            n_checked += 1
    assert n_checked


@every_method
@pytest.mark.parametrize("n_iterations", [0, 1, 7])
def test_limit_on_iterations(name, n_iterations):
    """maxiter is reached exactly, at the same point of the path."""
    x0 = 100.0 * X0 if name == "newton" else X0  # from there it takes 6 iterations in all
    path = solve(name, x0=x0, trace=1).trace
    result = solve(name, x0=x0, maxiter=n_iterations)
    assert (result.status, result.nit, result.success) == (Status.MAXITER, n_iterations, False)
    assert np.array_equal(result.x, path.x[n_iterations])


@every_method
@pytest.mark.parametrize("jac", ["differences", "function", "pair"])
@pytest.mark.parametrize("vectorized", [False, True])
def test_minimum_at_active_bounds(name, jac, vectorized):
    """Where all coordinates end at bounds every method gets there, and the projected gradient is within gtol, though
    the gradient is not."""
    def fun(x):
        return (x[0] + 1) * (x[0] + 1) + 2 * (x[1] - 3) * (x[1] - 3)

    def slope(x):
        return np.array([2 * x[0] + 2, 4 * x[1] - 12])

    lower, upper = np.array([0.5, -1.0]), np.array([2.0, 1.0])
    passed = {"differences": {"fun": fun}, "function": {"fun": fun, "jac": slope},
              "pair": {"fun": lambda x: (fun(x), slope(x)), "jac": True}}[jac]
    result = minimize(**passed, x0=[1.0, 0.5], method=METHODS[name], bounds=(lower, upper), vectorized=vectorized)
    assert result.status == Status.GTOL
    assert result.x.tolist() == [0.5, 1.0]
    assert np.abs(result.x - np.clip(result.x - result.jac, lower, upper)).max() <= 1e-6
    np.testing.assert_allclose(result.jac, [3, -8], atol=1e-6)


@pytest.mark.parametrize("name", ["gd", "gd, fixed", "momentum", "nesterov", "adagrad", "adam", "amsgrad", "nadam",
                                  "bfgs", "lbfgs", "newton"])
def test_minimum_at_a_bound_and_between(name):
    """Some coordinates end at a bound, others where their slope is 0."""
    def fun(x):
        return (x[0] - 2) * (x[0] - 2) + (x[1] + 3) * (x[1] + 3) + (x[2] - 0.25) * (x[2] - 0.25)

    result = minimize(fun, [0.5, 0.5, 0.5], method=METHODS[name], bounds=(0, 1), maxiter=20_000,
                      learning_rate=1.0 if name == "adagrad" else None)
    assert result.status == Status.GTOL
    np.testing.assert_allclose(result.x, [1, 0, 0.25], atol=1e-6)
    assert np.abs(result.x - np.clip(result.x - result.jac, 0, 1)).max() <= 1e-6


@every_method
def test_success_is_claimed_within_the_tolerance_alone(name):
    """On functions of very different sizes: GTOL exactly where no component exceeds gtol, PRECISION at the minimum
    alone, never an answer that is not finite."""
    for scale in 10.0 ** np.array([-300, -200, -100, -20, -7, 0, 7, 20, 100, 200, 290]):
        for gtol in (0.0, 1e-6, 1e-6 * scale):
            with np.errstate(over="ignore"):
                result = minimize(lambda x, c=scale: c * valley(x), X0, method=METHODS[name], gtol=gtol, maxiter=100)
            assert np.isfinite(result.x).all()
            if result.status == Status.PRECISION:
                assert name in SEARCHES
                assert np.abs(result.x).max() <= 1e-7
            else:
                assert result.success == (np.abs(result.jac).max() <= gtol)
            if name in SEARCHES and gtol == 1e-6 * scale:
                assert result.success


@pytest.mark.parametrize("x_scale", [1e-12, 1e-6, 1.0, 1e3])
@pytest.mark.parametrize("place", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("offset", [0.0, 1.0, 1e6])
@pytest.mark.parametrize("bounds", [None, (-1e6, 1e8)])
def test_search_stalls_only_by_rounding(x_scale, place, offset, bounds):
    """The search ends at the minimum, as far as rounded values show where that is; there is no other end, unless a
    first step of x_scale does not change x."""
    def fun(x):
        return (x[0] - place) * (x[0] - place) + offset

    x0 = [place + 3.0 + 1e3 * place]
    result = minimize(fun, x0, x_scale=x_scale, bounds=bounds)
    if x_scale < 2.0**-52 * x0[0]:
        assert (result.status, result.x.tolist()) == (Status.STALLED, x0)
        return
    assert result.status in (Status.GTOL, Status.PRECISION)
    # eps |f| is how far values near the minimum are rounded
    assert abs(result.x[0] - place) <= 1e-8 * max(1.0, place) + 4 * math.sqrt(2.0**-52 * offset)


def test_search_goes_on_far_from_the_origin():
    """A function that falls for ever is followed as far as there are numbers, or to the last iteration."""
    for fun, statuses in ((lambda x: -x[0], {Status.MAXITER}), (lambda x: -x[0] * x[0], {Status.UNBOUNDED})):
        with np.errstate(over="ignore"):
            result = minimize(fun, [1.3], method="gd")
        assert result.status in statuses
        assert abs(result.x[0]) > 1e150
        assert np.isfinite(result.x).all()


# What is counted and shown

@every_method
@pytest.mark.parametrize("jac", ["differences", "function", "pair"])
@pytest.mark.parametrize("vectorized", [False, True])
@with_and_without_bounds
@pytest.mark.parametrize("options", [{}, {"ftol": 1e-9}, {"keep_best": True}, {"trace": 1}], ids=str)
def test_calls_are_counted(name, jac, vectorized, bounds, options):
    """nfev and njev are the calls of the functions, but for those that check a gradient of the user's; a pair brings
    the gradient of a trial with its value."""
    fun, calls = counted((lambda x: (valley(x), slopes_of_valley(x))) if jac == "pair" else valley)
    slope, slope_calls = counted(slopes_of_valley)
    result = solve(name, fun, bounds=bounds, vectorized=vectorized, gtol=1e-3,
                   jac={"differences": None, "function": slope, "pair": True}[jac], **options)
    n_iterates = result.nit + 1
    for_hessians = 2 * n_iterates if name == "newton" else 0  # gradients; a vectorized function gets two at once
    at_once = for_hessians // 2 if vectorized else 0
    if jac != "differences":
        del calls[-CHECKS_OF_JAC:]
    if not vectorized:
        assert result.nfev == len(calls)
    elif jac != "differences":
        n_calls = result.nfev - (at_once if jac == "pair" else 0)
        assert n_calls <= len(calls) <= n_calls + 1
        assert all(n_points % 8 == 0 for n_points in calls)
    if jac == "function":
        assert result.njev == len(slope_calls) + at_once == n_iterates + for_hessians
    elif jac == "pair":
        assert result.njev == result.nfev >= n_iterates + for_hessians
        assert name in SEARCHES or result.nfev == result.nit + 1
    else:
        assert result.njev == result.nit + 1
        assert result.nfev >= 4 * result.njev


def wobbling(x):
    """Steep and curved, so that many a first trial of a search is refused."""
    return 40 * rosenbrock(x) + 3 * np.cos(9 * x[0]) * np.sin(7 * x[1])


@every_method
@pytest.mark.parametrize("vectorized", [False, True])
@with_and_without_bounds
def test_every_iterate_is_shown_once(name, vectorized, bounds):
    """Callback and trace see each iterate, none twice and no trial that was refused; what they see is true there. (By
    given steps: those that are mended at the end show that iterate again.)"""
    x0 = np.array([[0.5, 1.0], [-0.6, 2.0], [0.1, 0.3], [0.4, 2.5]])
    seen = {problem: [] for problem in range(4)}
    points = set()

    def fun(x):
        points.update(map(tuple, np.reshape(x, (2, -1)).T.tolist()))
        return wobbling(x)

    def callback(intermediate_result):
        state = intermediate_result
        seen[state.problem].append((state.nit, state.x.copy(), state.fun, state.jac.copy(), state.nfev))

    result = solve(name, fun, x0, jac=Difference(step=2.0**-18), callback=callback, trace=1, vectorized=vectorized,
                   bounds=bounds, maxiter=20, learning_rate=None if name in SEARCHES else 1e-6)
    for problem in range(4):
        path, nit = result.trace[problem], result.nit[problem]
        assert path.nit.tolist() == list(range(nit + 1))
        assert [state[0] for state in seen[problem]] == list(range(1, nit + 1))
        assert np.array_equal(path.x[0], x0[problem])
        answer = -1 if name != "gd" or result.success[problem] else np.argmin(path.fun)
        assert np.array_equal(path.x[answer], result.x[problem])
        nfev = [state[4] for state in seen[problem]]
        assert all(np.diff([0, *nfev]) >= 5)
        assert nfev[-1] <= result.nfev[problem]
        for (k, x, value, slope, _), x_of_path in zip(seen[problem], path.x[1:], strict=True):
            assert np.array_equal(x, x_of_path)
            assert tuple(x.tolist()) in points
            assert value == pytest.approx(wobbling(x), rel=1e-13)
            assert value == path.fun[k]
            np.testing.assert_allclose(slope, gradient(wobbling, x, bounds=bounds), rtol=1e-7, atol=2e-6)
        if name == "gd":
            assert (np.diff(path.fun) <= 0).any()
            highest = [path.fun[max(0, 4 * ((k - 1) // 4 - 1)):k].max() for k in range(1, nit + 1)]
            assert (path.fun[1:] <= highest).all()
        elif name in SEARCHES:
            assert (np.diff(path.fun) <= 1e-13 * np.abs(path.fun[:-1])).all()  # monotone, but for rounding


@every_method
def test_looking_changes_nothing(name):
    """With callback or trace a run has the bits that it has when f is evaluated at every iterate anyway; a trace of one
    problem leaves the others as they are."""
    x0 = np.random.default_rng(2).uniform(-1, 1, (9, 2))
    for vectorized in (False, True):
        plain = solve(name, x0=x0, vectorized=vectorized, ftol=1e-300)
        for options in ({"callback": lambda x: None}, {"trace": 2}, {"ftarget": -1e300}):
            assert bits(solve(name, x0=x0, vectorized=vectorized, **options)) == bits(plain)
        one_watched, others = solve(name, x0=x0, vectorized=vectorized, trace=(1, [3])), [0, 1, 2, 4, 5, 6, 7, 8]
        assert bits(one_watched, 3) == bits(plain, 3)
        assert bits(one_watched, others) == bits(solve(name, x0=x0, vectorized=vectorized), others)


# Options mean the same for every method

@every_method_with_rates
@pytest.mark.parametrize("vectorized", [False, True])
def test_rate_of_each_problem(name, vectorized):
    """An array of the batch's shape, or one that broadcasts to it, gives each problem its own rate, whatever the
    method's own."""
    x0 = np.random.default_rng(2).uniform(-1, 1, (3, 4, 2))
    rates = np.linspace(0.001, 0.05, 12).reshape(3, 4)
    for given in (rates, rates[0], rates[:, :1], rates[0, 0], np.float32(0.01)):
        batch = solve(name, x0=x0, learning_rate=given, maxiter=8, vectorized=vectorized)
        for problem in np.ndindex(3, 4):
            own = np.broadcast_to(given, (3, 4))[problem].item()
            assert bits(solve(name, x0=x0[problem], learning_rate=own, maxiter=8)) == bits(batch, problem)
            method = dataclasses.replace(METHODS[name], learning_rate=own)
            assert bits(minimize(valley, x0[problem], method=method, maxiter=8, gtol=0.0)) == bits(batch, problem)


@every_method_with({
    "plain": {}, "schedule": {"learning_rate": lambda k: 0.01}, "bounded": {"bounds": (0, 1), "keep_best": True},
    "rates": {"learning_rate": np.empty(0)}, "gradient": {"jac": slopes_of_valley, "trace": 1}})
@pytest.mark.parametrize("vectorized", [False, True, "rows"])
def test_batch_without_problems(name, options, vectorized):
    """There is nothing to do, and nothing is called."""
    def fun(x):
        raise AssertionError

    result = solve(name, fun, np.empty((0, 2)), vectorized=vectorized, **options)
    assert result.x.shape == (0, 2)
    assert result.fun.shape == result.status.shape == (0,)
    if name not in SEARCHES:
        noisy = solve(name, fun, np.empty((4, 0, 3)), noise=GaussianNoise(), rng=1)
        assert noisy.x.shape == (4, 0, 3)


@every_method
@pytest.mark.parametrize("jac", ["differences", "function", "pair"])
@pytest.mark.parametrize("options", [{}, {"bounds": (-1.0, 5.0)}, {"keep_best": True}, {"trace": 1}], ids=str)
def test_scalar_start(name, jac, options):
    """A scalar x0 is one problem of one variable: floats come and go, with the bits of the same problem as a vector."""
    types = set()

    def fun(x):
        types.add(type(x))
        return (x - 3) * (x - 3) * (1 + (x - 3) * (x - 3))

    def slope(x):
        return 2 * (x - 3) + 4 * (x - 3) * (x - 3) * (x - 3)

    passed = {"differences": {"fun": fun}, "function": {"fun": fun, "jac": slope},
              "pair": {"fun": lambda x: (fun(x), slope(x)), "jac": True}}[jac]
    result = minimize(**passed, x0=1.0, method=METHODS[name], maxiter=30, **options)
    assert types == {float}
    assert {type(result[field]) for field in ("x", "fun", "jac")} == {float}
    assert result.fun < fun(1.0)
    vector = minimize(**passed, x0=[[1.0]], unpack=True, method=METHODS[name], maxiter=30, **options)
    assert bits(result) == bits(vector, 0)


@every_method
@with_and_without_bounds
def test_forms_of_an_objective_have_the_same_bits(name, bounds):
    """Pointwise, by columns, by rows and unpacked: a function of + - * has the same bits, and so has a batch as its
    problems one by one."""
    x0 = np.random.default_rng(2).uniform(0.26, 0.5, (40, 2))
    options = {"bounds": bounds, "maxiter": 30, "gtol": np.linspace(1e-3, 1.5, 40)}
    plain = solve(name, x0=x0, **options)
    assert len(np.unique(plain.nit)) > (1 if name == "newton" else 2)
    for form in ({"vectorized": True}, {"vectorized": "rows", "fun": lambda X: valley(X.T)},
                 {"unpack": True, "fun": lambda *x: valley(x)},
                 {"unpack": True, "vectorized": True, "fun": lambda *x: valley(x)}):
        assert bits(solve(name, x0=x0, **form, **options)) == bits(plain)
    backwards = solve(name, x0=x0[::-1], vectorized=True, **{**options, "gtol": options["gtol"][::-1]})
    assert bits(backwards) == bits(plain, slice(None, None, -1))
    for problem in range(0, 40, 7):
        alone = solve(name, x0=x0[problem], **{**options, "gtol": options["gtol"][problem]})
        assert bits(alone) == bits(plain, problem)


FADING = schedules.ExponentialDecay(0.02, factor=0.97)


@every_method_with({str(options): options for options in [
    {}, {"learning_rate": FADING}, {"noise": GaussianNoise(), "rng": 3}, {"bounds": (-0.9, 1.1)}, {"keep_best": True},
    {"learning_rate": FADING, "noise": GaussianNoise(0.1), "rng": 3, "bounds": (-0.9, 1.1), "xtol": 1e-4}]})
@pytest.mark.parametrize("vectorized", [False, True])
def test_maximum_mirrors_minimum(name, options, vectorized):
    """maximize(f) has the bits of minimize(-f), also with schedules and noise; f and jac are the user's own."""
    x0 = np.random.default_rng(5).uniform(-0.8, 1, (9, 2))
    passed = {"method": METHODS[name], "maxiter": 20, "vectorized": vectorized, **options}
    for jac in (None, slopes_of_valley):
        down = minimize(valley, x0, jac=jac, **passed)
        up = maximize(lambda x: -valley(x), x0, jac=jac and (lambda x: -slopes_of_valley(x)), **passed)
        assert np.array_equal(up.x, down.x)
        assert np.array_equal(up.fun, -down.fun)
        assert np.array_equal(up.jac, -down.jac)
        assert [bits(up)[field] == bits(down)[field] for field in FIELDS[3:]] == 4 * [True]


@pytest.mark.parametrize("name", [name for name in METHODS if name not in SEARCHES])
def test_noise_stays_inside_the_bounds(name):
    """However strong, and whichever way it kicks: points are inside, frozen coordinates stay, jac is without noise."""
    seen = []

    def fun(x):
        seen.extend(np.reshape(x, (3, -1)).T.tolist())
        return valley(x)

    lower, upper = np.array([-0.5, 0.25, -np.inf]), np.array([0.5, 0.25, 0.1])
    for vectorized in (False, True):
        result = solve(name, fun, np.array([[0.5, 0.25, 0.1], [0.0, 0.25, -3.0]]), bounds=(lower, upper),
                       vectorized=vectorized, noise=GaussianNoise(1e6, 0.0), rng=4, maxiter=30)
        assert ((np.array(seen) >= lower) & (np.array(seen) <= upper)).all()
        assert np.array_equal(result.jac, gradient(valley, result.x, bounds=(lower, upper)))


@every_method_with_rates
def test_rate_table_grows_with_the_run(name):
    """A function of the iteration gives each its own rate, beyond the first table and for problems that begin late."""
    def rate(k):
        return 0.01 / (1 + k)

    x0 = np.random.default_rng(5).uniform(-0.8, 1, (3, 2))
    table = schedules.Table([rate(k) for k in range(1200)])
    for vectorized in (False, True):
        options = {"x0": x0, "vectorized": vectorized, "maxiter": [700, 3, 1100]}
        by_function = solve(name, learning_rate=rate, **options)
        assert by_function.nit.tolist() == [700, 3, 1100]
        assert bits(by_function) == bits(solve(name, learning_rate=table, **options))


@pytest.mark.parametrize(("name", "n_dim"), [
    (name, n_dim) for name in METHODS for n_dim in (1, 2, 3, 50 if name in ("bfgs", "newton") else 20_000)])
@pytest.mark.parametrize("vectorized", [False, True])
def test_number_of_dimensions(name, n_dim, vectorized):
    """From one dimension to many, every step of every coordinate counts: along equal coordinates a run is that of
    one."""
    def fun(x):
        return ((x * x) + (x * x) * (x * x)).sum(axis=0)

    result = minimize(fun, np.full(n_dim, 0.5), jac=lambda x: 2 * x + 4 * x * x * x, method=METHODS[name], maxiter=5,
                      vectorized=vectorized)
    assert np.ptp(result.x) <= (1e-11 * abs(result.x[0]) if name == "bfgs" else 0.0)  # its sums have different orders
    assert result.fun < fun(np.full(n_dim, 0.5))
    if name not in SEARCHES:  # a search adds up over coordinates, with rounding
        single = minimize(fun, [0.5], jac=lambda x: 2 * x + 4 * x * x * x, method=METHODS[name], maxiter=5)
        assert result.x[0] == single.x[0]


# The dataclasses

@pytest.mark.parametrize("name", methods.BY_NAME)
def test_methods_are_values(name):
    """Frozen, equal to their copies and hashable; they are pickled, and their repr makes them again."""
    method = methods.BY_NAME[name]
    for twin in (pickle.loads(pickle.dumps(method)), copy.copy(method), copy.deepcopy(method),
                 eval(repr(method), vars(methods)), dataclasses.replace(method)):
        assert twin == method
        assert hash(twin) == hash(method)
        assert bits(minimize(valley, X0, method=twin, maxiter=9)) == bits(minimize(valley, X0, method=name, maxiter=9))
    with pytest.raises(dataclasses.FrozenInstanceError):
        method.learning_rate = 1.0
    if isinstance(method, methods.FirstOrder):
        scheduled = dataclasses.replace(method, learning_rate=FADING)
        assert pickle.loads(pickle.dumps(scheduled)) == scheduled != method


@pytest.mark.parametrize("name", methods.BY_NAME)
def test_methods_behind_the_face_of_scipy(name):
    """scipy.optimize.minimize runs every method by name and by instance, and the default, with the same bits."""
    own = minimize(rosenbrock, X0, jac=slopes_of_rosenbrock, method=name, bounds=(0, 2), maxiter=50)
    by_name = scipy_method(name)
    for method in (by_name, scipy_method(methods.BY_NAME[name]), pickle.loads(pickle.dumps(by_name)),
                   *([scipy_method()] if name == "bfgs" else [])):
        result = scipy.optimize.minimize(rosenbrock, X0, jac=slopes_of_rosenbrock, method=method,
                                         bounds=[(0, 2), (0, 2)], options={"maxiter": 50})
        assert {field: np.asarray(result[field]).tobytes() for field in FIELDS} == bits(own)
    assert scipy.optimize.minimize(lambda x: x @ x + x[0], [3.0, 1.0], method=scipy_method()).success


def test_search_agrees_with_scipy():
    """From where L-BFGS-B finds a minimum inside bounds, or at them, the search finds it, too."""
    rng = np.random.default_rng(8)
    for _ in range(30):
        n_dim = int(rng.integers(1, 6))
        root = rng.normal(size=(n_dim, n_dim))
        hessian, center = root @ root.T + np.eye(n_dim), rng.normal(size=n_dim)

        def fun(x, hessian=hessian, center=center):
            return 0.5 * (x - center) @ hessian @ (x - center)

        lower, upper = -rng.uniform(0, 1, n_dim), rng.uniform(0, 1, n_dim)
        expected = scipy.optimize.minimize(fun, np.zeros(n_dim), bounds=list(zip(lower, upper, strict=True)),
                                           jac=lambda x, hessian=hessian, center=center: hessian @ (x - center),
                                           options={"ftol": 1e-15, "gtol": 1e-10})
        result = minimize(fun, np.zeros(n_dim), bounds=(lower, upper))
        assert result.status == Status.GTOL
        np.testing.assert_allclose(result.x, expected.x, atol=2e-6)
