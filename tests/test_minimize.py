"""The descent: the same bits however problems are put together, counts, forms of objectives, options per problem."""

import sysconfig
import tracemalloc
import weakref

import numpy as np
import pytest

from fastgd import Difference, Status, maximize, minimize
from fastgd.methods import GradientDescent

from . import reference
from .problems import FIELDS, bits, counted, rosenbrock, slopes_of_rosenbrock, valley, wavy

RATE = 0.002  # for Rosenbrock's function on [-1, 1]


def starts(n_problems, n_dim=2, seed=1):
    """Points at very different distances, so that problems end at different iterations."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (n_problems, n_dim)) * 10.0 ** rng.uniform(-5, 0, (n_problems, 1))


def solve(fun, x0, **options):
    if "bounds" in options:
        x0 = np.clip(x0, *options["bounds"])
    return minimize(fun, x0, **{"learning_rate": 0.02, "maxiter": 40, "gtol": 1e-2, **options})


OPTIONS = [{}, {"ftol": 1e-4}, {"keep_best": True}, {"xtol": 1e-3, "maxfev": 90}, {"bounds": (0.001, [0.4, 1.0])},
           {"jac": Difference(step=1e-4)}, {"ftarget": 0.01}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("vectorized", [False, True, "rows"])
def test_batch_equals_singles(options, vectorized):
    """Every problem of a batch has the bits of its own run: in any order, in any subset, and when it comes twice."""
    def fun(x):
        return valley(x.T if vectorized == "rows" else x)

    x0 = starts(37)
    batch = solve(fun, x0, vectorized=vectorized, **options)
    assert len(np.unique(batch.nit)) > 5
    for problem in range(37):
        assert bits(solve(fun, x0[problem], vectorized=vectorized, **options)) == bits(batch, problem)
    rng = np.random.default_rng(2)
    backwards = slice(None, None, -1)
    for chosen in (backwards, rng.permutation(37), rng.choice(37, 11, replace=False), rng.integers(0, 37, 80)):
        assert bits(solve(fun, x0[chosen], vectorized=vectorized, **options)) == bits(batch, chosen)


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("n_problems", [1, 2, 7, 31, 32, 33, 300])
def test_vectorized_equals_pointwise(options, n_problems):
    """A function of + - * gives a block of points the bits that it gives each of them."""
    x0 = starts(n_problems)
    assert bits(solve(valley, x0, vectorized=True, **options)) == bits(solve(valley, x0, **options))


@pytest.mark.parametrize("n_dim", [2, 16])
@pytest.mark.parametrize("fun", [valley, wavy])
def test_size_of_the_batch_does_not_matter(fun, n_dim):
    """The first problems of a large batch end as in a small one; 5,000 of 16 dimensions need lanes twice."""
    x0 = starts(5000, n_dim)
    largest = solve(fun, x0, vectorized=True)
    assert len(np.unique(largest.nit)) > 5
    for size in (1, 2, 7, 31, 32, 33, 300):
        assert bits(solve(fun, x0[:size], vectorized=True)) == bits(largest, slice(size))
        assert bits(solve(fun, x0[-size:], vectorized=True)) == bits(largest, slice(-size, None))


def quartic(x):
    return (x * x).sum(axis=0) + (x * x * x * x).sum(axis=0)


@pytest.mark.parametrize("options", [{}, {"keep_best": True}, {"ftol": 1e-3}, {"bounds": (-0.5, 2)}], ids=str)
@pytest.mark.parametrize(("n_dim", "n_problems", "jac"), [
    (3000, 150, lambda x: 2 * x + 4 * x * x * x),  # 32 lanes, filled again and again
    (300, 250, None)], ids=["gradient", "differences"])
def test_refilled_lanes(options, n_dim, n_problems, jac):
    """Where there are far fewer lanes than problems, each still ends as when it runs with few neighbours, or alone."""
    x0 = starts(n_problems, n_dim) * (1 if jac else 0.1)
    options = {"jac": jac, "vectorized": True, "learning_rate": 0.1, "maxiter": 40 if jac else 3, **options}
    batch = solve(quartic, x0, **options)
    assert len(np.unique(batch.nit)) > 2
    for chosen in (slice(0, 1), slice(70, 72), slice(100, 133), np.random.default_rng(0).permutation(n_problems)[:40]):
        assert bits(solve(quartic, x0[chosen], **options)) == bits(batch, chosen)


@pytest.mark.parametrize("n_problems", [1, 33, 300])
@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize("options", [
    {}, {"xtol": 1e-3}, {"ftol": 1e-4}, {"step": 1e-5}, {"maxiter": 0}, {"xtol": 1e-3, "ftol": 1e-3}], ids=str)
@pytest.mark.parametrize(("fun", "rate"), [(valley, 0.02), (rosenbrock, RATE)])
def test_equals_the_numpy_reference(fun, rate, options, vectorized, n_problems):
    """Every number has the bits of the same algorithm in plain NumPy, all problems in lock-step."""
    x0 = starts(n_problems)
    options = {"learning_rate": rate, "maxiter": 40, "gtol": 1e-2, **options}
    expected = reference.minimize(fun, x0.T, **options)
    jac = Difference(step=options.pop("step")) if "step" in options else None
    result = minimize(fun, x0, jac=jac, vectorized=vectorized, **options)
    assert np.array_equal(result.x.T, expected.x)
    assert np.array_equal(result.jac.T, expected.jac)
    for name in ("fun", "nit", "status"):
        assert np.array_equal(result[name], getattr(expected, name))


def test_rates_per_problem_equal_the_numpy_reference():
    """An array of rates is what a row of them is in plain NumPy."""
    x0, rates = starts(50), np.linspace(1e-3, 0.05, 50)
    expected = reference.minimize(valley, x0.T, learning_rate=rates, maxiter=30, gtol=1e-3)
    result = minimize(valley, x0, learning_rate=rates, maxiter=30, gtol=1e-3, vectorized=True)
    assert np.array_equal(result.x.T, expected.x)
    assert np.array_equal(result.nit, expected.nit)


COUNTED = [{}, {"ftol": 1e-4}, {"keep_best": True}, {"bounds": (-0.3, 0.3)}, {"maxfev": 50},
           {"jac": slopes_of_rosenbrock}, {"jac": slopes_of_rosenbrock, "ftol": 1e-4}]


@pytest.mark.parametrize("options", COUNTED, ids=range(len(COUNTED)))
def test_evaluations_are_counted(options):
    """nfev is the number of calls of a pointwise function, njev of gradients; of a vectorized one every column that
    is no padding."""
    x0 = starts(20)
    total = 0
    for start in x0:
        fun, calls = counted(rosenbrock)
        result = solve(fun, start, learning_rate=RATE, **options)
        n_checks = 2 if "jac" in options else 0  # of jac, at the start
        assert result.nfev == len(calls) - n_checks
        assert result.njev == result.nit + 1
        if options in ({}, {"maxfev": 50}):
            looks_again = result.status == Status.GTOL and result.nit > 0
            assert result.nfev == 4 * result.njev + (1 + 4) + (result.nit > 0) + 4 * looks_again
        total += result.nfev
    fun, calls = counted(rosenbrock)
    batch = solve(fun, x0, learning_rate=RATE, vectorized=True, **options)
    assert batch.nfev.sum() == total <= sum(calls)
    assert all(n_points % 8 == 0 for n_points in calls)


def test_gradients_are_counted():
    """A callable gradient is called njev times, and fun once, at the end, but for the two values with which the first
    gradient is compared; with jac=True fun is called nfev times, but for these."""
    slopes, gradient_calls = counted(slopes_of_rosenbrock)
    fun, calls = counted(rosenbrock)
    result = solve(fun, [0.5, 0.5], jac=slopes, learning_rate=RATE)
    assert (result.njev, result.nfev) == (len(gradient_calls), len(calls) - 2) == (result.nit + 1, 1)
    both, pairs = counted(lambda x: (rosenbrock(x), slopes_of_rosenbrock(x)))
    result = solve(both, [0.5, 0.5], jac=True, learning_rate=RATE)
    assert result.nfev == result.njev == len(pairs) - 2 == result.nit + 1


@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize("options", [{}, {"ftol": 1e-9}, {"bounds": (-0.3, 0.3)}, {"jac": slopes_of_rosenbrock},
                                     {"jac": slopes_of_rosenbrock, "keep_best": True}], ids=range(5))
@pytest.mark.parametrize("maxfev", [1, 4, 5, 6, 9, 10, 11, 23])
def test_limit_on_evaluations_is_kept(maxfev, options, vectorized):
    """maxfev is never exceeded, not by the value at the end either."""
    x0 = starts(9)
    result = solve(rosenbrock, x0, learning_rate=RATE, maxfev=maxfev, gtol=0.0, maxiter=1000, vectorized=vectorized,
                   **options)
    assert (result.nfev <= maxfev).all()
    if "jac" not in options:
        assert (result.status == Status.MAXFEV).all()


@pytest.mark.parametrize("options", [{}, {"ftol": 1e-9}, {"keep_best": True}, {"bounds": (0, 3)}], ids=str)
@pytest.mark.parametrize("jac", [None, lambda x: np.nan * x, True], ids=["differences", "function", "pair"])
@pytest.mark.parametrize("maxfev", range(1, 8))
def test_limit_on_evaluations_is_kept_by_a_start_that_fails(maxfev, jac, options):
    """Nor is it exceeded where the first gradient is not finite and the value at x0 is asked for once more."""
    fun, calls = counted(lambda x: (rosenbrock(x), np.nan * x) if jac is True else np.nan * x[0])
    result = minimize(fun, [1.0, 2.0], jac=jac, maxfev=maxfev, **options)
    assert result.nfev == len(calls) <= maxfev


@pytest.mark.parametrize("options", [{}, {"bounds": (-3, 3)}, {"ftol": 1e-300}], ids=str)
@pytest.mark.parametrize("maxfev", [1, 2, 10])
def test_allowed_evaluations_are_used(maxfev, options):
    """A run ends as MAXFEV only when the next iteration would exceed the limit: a pair is one evaluation, a gradient
    function none."""
    options = {"gtol": 0.0, "learning_rate": 0.01, **options}
    pair = minimize(lambda x: (x @ x, 2 * x), [1.0, 2.0], jac=True, maxfev=maxfev, **options)
    assert (pair.status, pair.nfev, pair.nit) == (Status.MAXFEV, maxfev, maxfev - 1)
    alone = minimize(lambda x: x @ x, [1.0, 2.0], jac=lambda x: 2 * x, maxfev=maxfev, maxiter=20, **options)
    expected = (Status.MAXFEV, maxfev, maxfev - 1) if "ftol" in options else (Status.MAXITER, 1, 20)
    assert (alone.status, alone.nfev, alone.nit) == expected


def test_image_of_problems():
    """(H, W, n_dim) is H * W problems, and every field has the shape of the image."""
    x0 = starts(12).reshape(3, 4, 2)
    for vectorized in (False, True):
        image = solve(valley, x0, vectorized=vectorized)
        assert image.x.shape == image.jac.shape == (3, 4, 2)
        assert {image[name].shape for name in (*FIELDS[1:2], *FIELDS[3:], "success", "message")} == {(3, 4)}
        assert bits(image) == bits(solve(valley, x0.reshape(12, 2), vectorized=vectorized))


PER_PROBLEM = {
    "learning_rate": np.linspace(0.001, 0.05, 12), "gtol": np.linspace(0.3, 2, 12), "xtol": np.logspace(-6, 0, 12),
    "ftol": np.logspace(-6, 0, 12), "ftarget": np.linspace(1e-3, 0.1, 12), "maxiter": np.arange(12),
    "maxfev": np.arange(1, 61, 5)}


@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize("name", PER_PROBLEM)
def test_option_of_each_problem(name, vectorized):
    """An array of the batch's shape, or one that broadcasts to it, gives each problem an option of its own."""
    values = PER_PROBLEM[name]
    x0 = np.broadcast_to([0.5, -0.7], (12, 2))
    batch = solve(valley, x0, vectorized=vectorized, **{name: values})
    assert len(np.unique(batch.nfev)) > 3 or name == "learning_rate"
    assert len(np.unique(batch.x, axis=0)) > 3
    for problem, value in enumerate(values):
        assert bits(solve(valley, x0[problem], vectorized=vectorized, **{name: value})) == bits(batch, problem)
    columns = solve(valley, np.broadcast_to(x0[0], (3, 12, 2)), vectorized=vectorized, **{name: values})
    rows = solve(valley, np.broadcast_to(x0[0], (12, 3, 2)), vectorized=vectorized, **{name: values[:, None]})
    for problem in range(12):
        assert bits(columns, (2, problem)) == bits(rows, (problem, 0)) == bits(batch, problem)


@pytest.mark.parametrize("vectorized", [False, True])
def test_bounds_of_each_problem(vectorized):
    """Bounds of x0's shape, and those that broadcast to it, hold for their problem; the answer is the clipped one."""
    rng = np.random.default_rng(5)
    lower, upper = -rng.uniform(0, 1, (10, 2)), rng.uniform(0, 1, (10, 2))
    result = minimize(lambda x: (x[0] - 0.6) * (x[0] - 0.6) + (x[1] + 0.6) * (x[1] + 0.6), np.zeros((10, 2)),
                      bounds=(lower, upper), learning_rate=0.3, vectorized=vectorized)
    assert result.success.all()
    np.testing.assert_allclose(result.x, np.clip([0.6, -0.6], lower, upper), atol=1e-6)
    assert ((result.x >= lower) & (result.x <= upper)).all()


@pytest.mark.parametrize("form", ["pointwise", "unpacked", "columns", "unpacked columns", "rows"])
@pytest.mark.parametrize("jac", ["differences", "function", "pair"])
def test_every_form_of_objective(form, jac):
    """However function and gradient are passed, with arguments for all and for each, the same problem is solved."""
    unpack = "unpacked" in form
    vectorized = "rows" if form == "rows" else form.endswith("columns")
    n_problems, n_terms = 40, 3
    rng = np.random.default_rng(8)
    centers, weights = rng.normal(size=(n_problems, 2)), rng.uniform(1, 2, (n_problems, n_terms))
    shapes = set()

    def read(arguments):
        x, (scale, center, weight) = (arguments[:2] if unpack else arguments[0]), arguments[-3:]
        shapes.add((np.shape(arguments[0]), np.shape(center), np.shape(weight)))
        if form == "rows":
            return x.T, scale, center.T, weight.T.sum(axis=0)
        return np.stack(x), scale, center, np.sum(weight, axis=0)

    def value(*arguments):
        x, scale, center, weight = read(arguments)
        return scale * weight * ((x - center) ** 2).sum(axis=0)

    def slope(*arguments):
        x, scale, center, weight = read(arguments)
        result = 2 * scale * weight * (x - center)
        return result.T if form == "rows" else result

    fun = (lambda *arguments: (value(*arguments), slope(*arguments))) if jac == "pair" else value
    result = minimize(fun, np.zeros((n_problems, 2)), args=(0.5,), batch_args=(centers, weights), learning_rate=0.15,
                      jac={"differences": None, "function": slope, "pair": True}[jac], vectorized=vectorized,
                      unpack=unpack)
    assert result.success.all()
    np.testing.assert_allclose(result.x, centers, atol=1e-6)
    widths = {shape[0 if form == "rows" else -1] for _, _, shape in shapes} if vectorized else {0}
    expected = {
        "pointwise": lambda n: ((2,), (2,), (3,)), "unpacked": lambda n: ((), (2,), (3,)),
        "columns": lambda n: ((2, n), (2, n), (3, n)), "unpacked columns": lambda n: ((n,), (2, n), (3, n)),
        "rows": lambda n: ((n, 2), (n, 2), (n, 3)),
    }
    assert shapes == set(map(expected[form], widths))
    assert all(width % 8 == 0 for width in widths)


@pytest.mark.parametrize("values", [
    np.arange(3), np.arange(3, dtype="f4"), np.array(["a", "b", "c"]), np.array([{}, None, print], dtype=object),
    np.arange(12, dtype="i2").reshape(3, 2, 2), np.array([True, False, True]),
    np.array([1, 2, 3], dtype="M8[D]")], ids=lambda values: values.dtype.str)
@pytest.mark.parametrize("vectorized", [False, True, "rows"])
def test_arguments_of_each_problem_keep_their_type(values, vectorized):
    """A pointwise function gets its problem's element or slice, a vectorized one columns, in the user's dtype."""
    seen = []

    def fun(x, value):
        seen.append(value)
        return (x * x).sum(axis=1 if vectorized == "rows" else 0)

    minimize(fun, np.ones((3, 1)), batch_args=(values,), learning_rate=0.3, maxiter=2, vectorized=vectorized)
    for value in seen:
        if vectorized:
            assert value.dtype == values.dtype
            last = value if vectorized == "rows" else np.moveaxis(value, -1, 0)
            assert len(last) % 8 == 0
            assert last.shape[1:] == values.shape[1:]
            assert all(any(np.array_equal(one, other) for other in values) for one in last)
        else:
            assert any(value is other for other in values) if values.dtype == object else type(value) is type(values[0])
            assert any(np.array_equal(value, other) for other in values)


def test_arguments_of_each_problem_stay_with_it():
    """Lanes that are refilled and moved take their problem's slices along, of every array."""
    n_problems = 150
    centers = np.random.default_rng(0).normal(size=n_problems)
    numbers = np.arange(n_problems)
    x0 = np.zeros((n_problems, 3000))

    def slopes(x, center, number):
        assert np.array_equal(centers[number], center)
        return 2 * (x - center)

    result = minimize(lambda x, center, number: ((x - center) ** 2).sum(axis=0), x0, jac=slopes, vectorized=True,
                      batch_args=(centers, numbers), learning_rate=np.linspace(0.1, 0.4, n_problems))
    assert len(np.unique(result.nit)) > 10
    np.testing.assert_allclose(result.x, np.broadcast_to(centers[:, None], x0.shape), atol=1e-6)


@pytest.mark.parametrize("jac", [None, lambda x: 2 * (x - 3), True])
def test_scalar_start(jac):
    """A scalar x0 is one univariate problem: the function gets a float, and x, fun, jac are floats."""
    types = set()

    def fun(x):
        types.add(type(x))
        return ((x - 3)**2, 2 * (x - 3)) if jac is True else (x - 3)**2

    for x0 in (1, 1.0, np.float64(1), np.array(1.0)):
        result = minimize(fun, x0, jac=jac, learning_rate=0.3)
        assert result.x == pytest.approx(3, abs=1e-6)
        assert {type(result[name]) for name in ("x", "fun", "jac")} == {float}
    assert types == {float}


@pytest.mark.parametrize("jac", ["differences", "function", "pair"])
@pytest.mark.parametrize("vectorized", [False, True])
def test_maximum_mirrors_minimum(jac, vectorized):
    """maximize(f) has the bits of minimize(-f), with value and gradient in the user's sign."""
    def passed(sign):
        def fun(x):
            return sign * rosenbrock(x)

        def slope(x):
            return sign * slopes_of_rosenbrock(x)

        pair = {"fun": lambda x: (fun(x), slope(x)), "jac": True}
        return {"differences": {"fun": fun}, "function": {"fun": fun, "jac": slope}, "pair": pair}[jac]

    options = {"x0": starts(20), "learning_rate": RATE, "maxiter": 30, "vectorized": vectorized}
    for more in ({}, {"keep_best": True}, {"ftol": 1e-3}, {"ftarget": 0.5}, {"bounds": (-1, 1)}):
        down = minimize(**passed(1.0), **options, **more)
        if "ftarget" in more:
            more = {"ftarget": -0.5}
        up = maximize(**passed(-1.0), **options, **more)
        assert np.array_equal(up.x, down.x)
        assert np.array_equal(up.fun, -down.fun)
        assert np.array_equal(up.jac, -down.jac)
        assert bits(up)["nfev"] == bits(down)["nfev"]
        assert bits(up)["status"] == bits(down)["status"]


@pytest.mark.parametrize("vectorized", [False, True])
def test_best_point_seen(vectorized):
    """keep_best returns the lowest iterate, with its gradient and the run's status."""
    options = {"learning_rate": 0.55, "maxiter": 9, "gtol": 1e-12, "vectorized": vectorized}
    last = minimize(valley, starts(8), trace=1, **options)
    best = minimize(valley, starts(8), keep_best=True, **options)
    assert bits(best)["status"] == bits(last)["status"]
    assert (best.fun < last.fun).any()
    for problem, path in last.trace.items():
        lowest = np.argmin(path.fun)
        assert best.fun[problem] == path.fun[lowest]
        assert np.array_equal(best.x[problem], path.x[lowest])
        assert np.array_equal(best.jac[problem], path.jac[lowest])


def test_rate_of_the_method_and_its_shortcut():
    """learning_rate= overrides the method's own; a method may be named."""
    results = [minimize(valley, [0.3, 0.2], method=GradientDescent(0.03), maxiter=5),
               minimize(valley, [0.3, 0.2], method=GradientDescent(0.5), learning_rate=0.03, maxiter=5),
               minimize(valley, [0.3, 0.2], method="gd", learning_rate=0.03, maxiter=5)]
    assert bits(results[0]) == bits(results[1]) == bits(results[2])


def test_gradient_of_one_variable_has_the_shape_of_its_argument():
    """With one coordinate a vectorized function that gets `(n_points,)` may return that as its gradient."""
    def slope(x):
        return 2 * (x - 2)

    options = {"vectorized": True, "jac": slope, "learning_rate": 0.5}
    assert minimize(lambda x: (x - 2) ** 2, 0.0, **options).x == 2.0
    assert minimize(lambda x: (x - 2) ** 2, [[0.0], [1.0]], unpack=True, **options).x.tolist() == [[2.0], [2.0]]


@pytest.mark.skipif(bool(sysconfig.get_config_var("Py_GIL_DISABLED")), reason="nobody knows who else has an array")
@pytest.mark.parametrize("solve", [minimize, maximize])
def test_values_of_a_block_live_until_the_next_call_is_over(solve):
    """They are used where they are if nobody else has the array, or copied with the other sign from there."""
    are_alive = []

    def fun(x):
        traces = tracemalloc.take_snapshot().filter_traces([arrays]).traces
        are_alive.append(sum(trace.size == 8 * x.shape[1] for trace in traces))
        return np.cos(x).sum(axis=0)

    arrays = tracemalloc.DomainFilter(inclusive=True, domain=np.lib.tracemalloc_domain)
    tracemalloc.start()
    try:
        solve(fun, np.ones((2001, 3)), vectorized=True, learning_rate=1e-3, maxiter=20)
    finally:
        tracemalloc.stop()
    # the second block and the last one, of values alone, are narrower
    assert are_alive == [0] + [0] + [0] + [1] * 20 + [0]


def test_values_in_an_array_that_the_function_finds_again():
    """A weak reference does not count, but gives the function its array back as long as that is alive."""
    class Scratch:
        array = staticmethod(lambda: None)

        def __call__(self, x):
            values = self.array()
            if values is None or len(values) != x.shape[1]:
                values = np.empty(x.shape[1])
                self.array = weakref.ref(values)
            return valley(x, out=values)

    def valley(x, **options):
        return np.sum((x - 3.0) * (x - 3.0), axis=0, **options)

    x0 = np.random.default_rng(0).normal(size=(20_000, 5))
    options = {"vectorized": True, "maxiter": 20, "learning_rate": 0.1}
    assert bits(minimize(Scratch(), x0, **options)) == bits(minimize(valley, x0, **options))


def test_nan_like_that_of_an_unwritten_output():
    """The mark that compiled functions must overwrite is to be had in memory that was freed: in the values of a NumPy
    function it is a nan like others."""
    mark = np.array([0x7FF4DEADBEEF5EED], dtype=np.uint64).view(float)
    result = minimize(lambda x: np.repeat(mark, x.shape[1]), np.ones((3, 2)), vectorized=True)
    assert (result.status == Status.NONFINITE).all()
