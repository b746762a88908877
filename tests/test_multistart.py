"""Many starts: where they lie, what they find, and which of the answers are the same."""

import io
import math
import pickle
import sys

import numpy as np
import pytest
import scipy.optimize
from scipy.stats import qmc

import fastgd
from fastgd import functions, minimize, multistart

# Boxes that are not centered at the minima.
PROBLEMS = {
    "rastrigin": (functions.rastrigin, ([-3.1, -4.7, -5.12, -2.2], [5.12, 4.3, 3.3, 5.0]), 0.0, 64),
    "ackley": (functions.ackley, ([1.7 * i - 32.768 for i in range(10)], [32.768] * 10), 0.0, 32),
    "styblinski_tang": (functions.styblinski_tang, ([-5.0] * 6, [5.0] * 6), functions.styblinski_tang.minimum(6), 256),
    "himmelblau": (functions.himmelblau, ([-5.0, -5.0], [5.0, 5.0]), 0.0, 16),
    "x_cos_x": (functions.x_cos_x, ([-15.0], [15.0]),
                min(x * math.cos(x) + 9.0 for x in np.linspace(-15.0, 15.0, 300_001).tolist()), 16),
}
SQUARE = ([-5.0, -5.0], [5.0, 5.0])


def himmelblau(x):
    return (x[0] ** 2 + x[1] - 11.0) ** 2 + (x[0] + x[1] ** 2 - 7.0) ** 2


@pytest.mark.parametrize("name", PROBLEMS)
def test_global_minimum(name):
    """In at least 95 of 100 seeds."""
    fun, box, minimum, n_starts = PROBLEMS[name]
    found = 0
    for seed in range(100):
        result = multistart(fun, box, n_starts=n_starts, vectorized=True, rng=seed)
        found += result.fun <= minimum + 1e-6 * max(1.0, abs(minimum))
    assert found >= 95


@pytest.mark.parametrize("sampling", ["sobol", "latinhypercube", "random"])
def test_all_minima_and_their_basins(sampling):
    """The shares are those of the basins in a fine grid."""
    side = np.linspace(-5.0, 5.0, 202)[1:-1]
    grid = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1)
    basins = minimize(himmelblau, grid, vectorized=True, bounds=SQUARE).distinct()
    result = multistart(himmelblau, SQUARE, n_starts=4096, sampling=sampling, halving=False, vectorized=True, rng=3)
    assert len(result.minima) == len(basins) == 4
    assert result.minima[0].fun == result.fun == min(minimum.fun for minimum in result.minima)
    for minimum in result.minima:
        basin, = (basin for basin in basins if np.abs(basin.x - minimum.x).max() < 1e-4)
        assert abs(minimum.share - basin.share) < 0.03
        assert minimum.hits == minimum.share * 4096
        assert np.abs(functions.himmelblau.minimizers() - minimum.x).max(axis=1).min() < 1e-5
        assert not minimum.at_bound.any()
    assert sum(minimum.hits for minimum in result.minima) == np.count_nonzero(result.runs.success)


@pytest.mark.parametrize("halving", [True, False])
def test_result(halving):
    """The best run in front, the evaluations of all, and the numbers of the starts."""
    calls = []

    def fun(x):
        calls.append(x)
        return himmelblau(x)

    result = multistart(fun, SQUARE, n_starts=32, halving=halving, rng=1)
    assert result.nfev == len(calls)
    assert result.starts.shape == (32, 2)
    assert len(result.runs.fun) == len(result.kept) == (8 if halving else 32)
    assert result.fun == result.runs.fun.min() == result.best.fun == result["fun"]
    assert np.array_equal(result.x, result.best.x)
    assert (result.success, result.status) == (True, result.best.status)
    assert result.message == result.best.message
    assert [minimum.fun for minimum in result.minima] == sorted(minimum.fun for minimum in result.minima)
    assert {minimum.index for minimum in result.minima} <= set(result.kept.tolist())
    assert "minima: " in repr(result)
    assert all(getattr(result, name) is not None for name in result.keys())  # noqa: SIM118
    file = io.BytesIO()
    np.savez(file, **result)
    file.seek(0)
    assert np.load(file, allow_pickle=False)["x"].tolist() == result.x.tolist()
    assert pickle.loads(pickle.dumps(result)).fun == result.fun


def test_pictures_of_many_starts():
    """They show the runs."""
    pytest.importorskip("matplotlib")
    result = multistart(himmelblau, SQUARE, n_starts=20, halving=False, vectorized=True, trace=1, rng=2)
    heights = fastgd.plot.waterfall(result).lines[0].get_ydata()
    assert np.allclose(np.sort(heights), np.sort(result.runs.fun))
    assert len(fastgd.plot.convergence({"Himmelblau": result}).lines) == 20


def test_without_halving_each_start_is_a_run():
    result = multistart(himmelblau, SQUARE, n_starts=20, halving=False, vectorized=True, rng=2)
    runs = minimize(himmelblau, result.starts, vectorized=True, bounds=SQUARE)
    assert np.array_equal(result.runs.x, runs.x)
    assert result.kept.tolist() == list(range(20))
    assert np.array_equal(result.minima[0].x, runs.x[result.minima[0].index])


def test_forms_of_functions():
    """A function of a point, of floats, of blocks, with a gradient, and a jitted one find the same."""
    pytest.importorskip("numba")

    def gradient(x):
        a, b = x[0] ** 2 + x[1] - 11.0, x[0] + x[1] ** 2 - 7.0
        return np.array([4.0 * x[0] * a + 2.0 * b, 2.0 * a + 4.0 * x[1] * b])

    forms = [
        (himmelblau, {}), (himmelblau, {"vectorized": True}), (lambda x, y: himmelblau((x, y)), {"unpack": True}),
        (himmelblau, {"jac": gradient}), (lambda x: (himmelblau(x), gradient(x)), {"jac": True}),
        (lambda x: (himmelblau(x), gradient(x)), {"jac": True, "vectorized": True}),
        (fastgd.jit(himmelblau), {}), (fastgd.jit(himmelblau), {"jac": "exact"}),
        (lambda x, scale: scale * himmelblau(x), {"args": (1.0,)}), ("fastgd.functions:himmelblau", {}),
        (himmelblau, {"workers": 2}), (himmelblau, {"method": "gd"}),
        (himmelblau, {"method": "adam", "learning_rate": 0.1, "maxiter": 20000}),
    ]
    for fun, options in forms:
        result = multistart(fun, SQUARE, n_starts=16, rng=0, **options)
        assert result.success
        assert np.abs(functions.himmelblau.minimizers() - result.x).max(axis=1).min() < 1e-4


def test_function_of_a_float():
    result = multistart(lambda x: x * math.cos(x) + 9.0, (-15.0, 15.0), n_starts=16, rng=0)
    assert abs(result.fun - PROBLEMS["x_cos_x"][2]) < 1e-6
    assert type(result.x) is type(result.minima[0].x) is float
    assert result.minima[0].at_bound is False


@pytest.mark.parametrize("power", [-30, 40])
def test_units(power):
    """In other units of x and of f the same runs."""
    factor = 2.0**power
    result = multistart(himmelblau, SQUARE, n_starts=16, vectorized=True, rng=5)
    box = tuple(factor * np.array(side) for side in SQUARE)
    scaled = multistart(lambda x: factor * himmelblau(x / factor), box, n_starts=16, vectorized=True, rng=5)
    assert np.array_equal(scaled.starts, factor * result.starts)
    assert np.array_equal(scaled.kept, result.kept)
    assert np.allclose(scaled.runs.x, factor * result.runs.x, rtol=1e-4)


@pytest.mark.parametrize("options", [{}, {"halving": False}])
def test_jitted_function_of_a_float(options):
    pytest.importorskip("numba")
    result = multistart(fastgd.jit(lambda x: x * np.cos(x) + 9.0), (-15.0, 15.0), n_starts=64, rng=0, **options)
    assert abs(result.fun - PROBLEMS["x_cos_x"][2]) < 1e-6


def test_exact_gradients():
    """Runs that begin at the minimum, to rounding, and have nothing left to gain, count there."""
    result = multistart(lambda x: (x[0] ** 2 + x[1] ** 2, 2.0 * x), SQUARE, jac=True, n_starts=16, rng=0)
    assert result.success
    assert [minimum.hits for minimum in result.minima] == [8]
    with pytest.raises(TypeError, match="must return a pair"):
        multistart(lambda x: x[0] ** 2, SQUARE, jac=True, rng=0)


def test_equal_values():
    """The best run is that of the first minimum."""
    result = multistart(lambda x: 0.0 * x[0], SQUARE, n_starts=16, rng=0)
    assert np.array_equal(result.x, result.minima[0].x)


def test_bounds():
    """Never outside; minima at a bound say so; coordinates between equal bounds stay."""
    points = []

    def fun(x):
        points.append(x.copy())
        return (x[0] - 2.0) ** 2 + x[1] + x[2] ** 2

    lower, upper = [-1.0, 0.5, 3.0], [1.0, 4.0, 3.0]
    for bounds in ((lower, upper), scipy.optimize.Bounds(lower, upper)):
        result = multistart(fun, bounds, n_starts=16, rng=0)
        assert result.x.tolist() == [1.0, 0.5, 3.0]
        assert result.minima[0].at_bound.tolist() == [True, True, True]
    assert np.all((np.array(points) >= lower) & (np.array(points) <= upper))


@pytest.mark.parametrize("sampling", ["sobol", "latinhypercube", "random"])
@pytest.mark.parametrize("n", [1, 7, 64])
def test_starts(sampling, n):
    """Inside, again the same with the same seed, and spread as their name says."""
    def starts(rng):
        return multistart(lambda x: x[0] ** 2, ([0.0, 10.0, -1.0], [1.0, 30.0, 0.0]), n_starts=n, sampling=sampling,
                          vectorized=True, rng=rng).starts

    found = starts(7)
    assert found.shape == (n, 3)
    unit = (found - [0.0, 10.0, -1.0]) / [1.0, 20.0, 1.0]
    assert unit.min() >= 0.0
    assert unit.max() <= 1.0
    assert np.array_equal(found, starts(np.random.default_rng(7)))
    assert not np.array_equal(found, starts(8))
    if sampling != "random" and n > 1:
        assert qmc.discrepancy(unit) < 1.5 / n
    if sampling == "latinhypercube":
        assert all(sorted((n * column).astype(int).tolist()) == list(range(n)) for column in unit.T)


def test_starts_without_scipy(monkeypatch):
    """Halton points: every interval of length 1 / base has its share."""
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    starts = multistart(himmelblau, ([0.0, 0.0], [1.0, 1.0]), n_starts=36, vectorized=True, rng=0).starts
    shifted = np.sort(starts, axis=0)
    assert np.abs(np.diff(shifted, axis=0)).max() < 0.08  # uniform ones have gaps of 0.1 and more
    assert qmc.discrepancy(starts) < 0.01
    result = multistart(functions.rastrigin, PROBLEMS["rastrigin"][1], vectorized=True, rng=0)
    assert result.fun < 1e-6


def test_given_starts():
    starts = [[-4.0, 3.0], [4.0, -2.0]]
    result = multistart(himmelblau, SQUARE, sampling=starts, halving=False, vectorized=True)
    assert result.starts.tolist() == starts
    assert len(result.minima) == 2


def test_rounds_alone():
    """Without polish the best that the rounds have found, near the minimum."""
    result = multistart(functions.ackley, PROBLEMS["ackley"][1], n_starts=32, polish=False, vectorized=True, rng=0)
    assert 0.0 < result.fun < 3.0


def test_failures():
    """Values that are not finite, and functions that raise now and then."""
    def fun(x):
        if x[0] > 4.0:
            raise OSError("no licence")
        return math.nan if x[0] < -4.0 else himmelblau(x)

    with pytest.raises(OSError, match="no licence"):
        multistart(fun, SQUARE, n_starts=64, rng=0)
    result = multistart(fun, SQUARE, n_starts=64, rng=0, on_error="record")
    assert result.success
    assert result.fun < 1e-9
    nowhere = multistart(lambda x: math.nan, SQUARE, n_starts=8, rng=0)
    assert not nowhere.success
    assert nowhere.minima == []


def test_maxtime():
    """It holds for all rounds together."""
    result = multistart(lambda x: (sum(range(20000)), himmelblau(x))[1], SQUARE, n_starts=4096, rng=0, maxtime=0.2)
    assert fastgd.Status.MAXTIME in result.runs.status
    assert result.nfev < 100_000


@pytest.mark.parametrize(("bounds", "options", "error", "match"), [
    ([(-5, 5), (-5, 5)], {}, ValueError, "got list"),
    (None, {}, ValueError, "got NoneType"),
    (([-5, -5], [5, np.inf]), {}, ValueError, "must be finite: at index 1"),
    (([-5, 6], [5, 5]), {}, ValueError, "lower bound is above the upper bound: at index 1"),
    (([-5, -5], [5, 5, 5]), {}, ValueError, r"same shape \(n_dim,\), got \(2,\) and \(3,\)"),
    (([[-5]], [[5]]), {}, ValueError, "same shape"),
    (([], []), {}, ValueError, "same shape"),
    ((["a"], [1]), {}, TypeError, "lower bound"),
    (SQUARE, {"n_starts": 0}, ValueError, "n_starts"),
    (SQUARE, {"n_starts": 2.5}, TypeError, "n_starts"),
    (SQUARE, {"sampling": "sobal"}, ValueError, "sobol"),
    (SQUARE, {"sampling": [[1.0]]}, ValueError, r"\(n_starts, 2\), got \(1, 1\)"),
    (SQUARE, {"sampling": [[0.0, 0.0], [0.0, 9.0]]}, ValueError, r"at index \(1, 1\) .* upper = 5.0, start = 9.0"),
    (SQUARE, {"sampling": [[np.nan, 0.0]]}, ValueError, "start = nan"),
    (SQUARE, {"sampling": [["a", "b"]]}, TypeError, "sampling"),
    (([1.0, 2.0], [1.0, 2.0]), {}, ValueError, "nothing between the bounds"),
    (SQUARE, {"learning_rate": [0.1] * 8}, ValueError, "learning_rate must be the same for all starts"),
    (SQUARE, {"maxiter": [5] * 8}, ValueError, "maxiter must be the same for all starts"),
    (SQUARE, {"callback": 3}, TypeError, "callback"),
    (SQUARE, {"gtol": -1.0}, ValueError, "gtol"),
    (SQUARE, {"jac": "3point"}, ValueError, "3-point"),
    (SQUARE, {"tol": "small"}, TypeError, "tol"),
    (SQUARE, {"rng": np.random.RandomState(1)}, TypeError, "RandomState"),
    (SQUARE, {"halving": 1}, TypeError, "halving"),
    (SQUARE, {"halving": False, "polish": False}, ValueError, "nothing would be done"),
    (SQUARE, {"tol": 0.0}, ValueError, "tol"),
    (SQUARE, {"rng": "seed"}, TypeError, "rng"),
    (SQUARE, {"rng": -1}, ValueError, "rng must not be negative, got -1"),
    (SQUARE, {"maxtime": -1.0}, ValueError, "maxtime"),
    (SQUARE, {"method": "bgfs"}, ValueError, "bfgs"),
    (SQUARE, {"n_start": 3}, TypeError, "n_starts"),
    (SQUARE, {"batch_args": ()}, TypeError, "batch_args"),
    (SQUARE, {"x0": [0, 0]}, TypeError, "x0"),
])
def test_bad_input(bounds, options, error, match):
    """Before the function is called."""
    def fun(x):
        calls.append(x)
        return himmelblau(x)

    calls = []
    with pytest.raises(error, match=match):
        multistart(fun, bounds, **{"n_starts": 8, "vectorized": True} | options)
    assert not calls


# Distinct minima of any batch

def test_distinct():
    """By position and value, in the order of the values; failures count only for the share."""
    x0 = [[[-3.0], [-1.0]], [[2.5], [9.0]]]
    result = minimize(lambda x: (x[0] ** 2 - 4.0) ** 2 + x[0], x0, maxiter=[[1000, 1000], [1000, 0]])
    minima = result.distinct()
    assert [minimum.hits for minimum in minima] == [2, 1]
    assert [minimum.share for minimum in minima] == [0.5, 0.25]
    assert minima[0].index in ((0, 0), (0, 1))
    assert minima[1].index == (1, 0)
    roots = sorted(np.roots([4.0, 0.0, -16.0, 1.0]).real)
    assert np.allclose([minimum.x[0] for minimum in minima], [roots[0], roots[2]], atol=1e-6)
    assert len(result.distinct(tol=10.0, x_scale=1.0)) == 1
    assert len(fastgd.maximize(lambda x: -((x[0] ** 2 - 4.0) ** 2), x0).distinct()) == 2


def test_distinct_where_runs_were_cut_short():
    """The best answer is there, with success or without; those beside a minimum count there; others do not."""
    def fun(x):
        return np.minimum(100.0 * (x[1] - x[0] ** 2) ** 2 + (1.0 - x[0]) ** 2,
                          3.0 + (x[0] + 3.0) ** 2 + (x[1] + 2.0) ** 2)

    result = multistart(fun, SQUARE, rng=0, vectorized=True, halving=False, maxiter=12)
    assert result.fun == result.minima[0].fun == result.runs.fun.min() < 1e-3
    assert (result.minima[0].success, result.success) == (False, False)
    other = min(result.minima, key=lambda minimum: np.abs(minimum.x - [-3.0, -2.0]).max())
    assert other.success
    assert np.abs(other.x - [-3.0, -2.0]).max() < 1e-5
    near = (np.abs(result.runs.x - other.x) <= 1e-4 * 10.0).all(axis=1)
    assert other.hits == np.count_nonzero(near)
    assert len(result.minima) < 5
    none = minimize(fun, result.starts, vectorized=True, method="adam", maxiter=3)
    assert not none.success.any()
    assert not any(minimum.success for minimum in none.distinct())
    assert sum(minimum.hits for minimum in none.distinct()) == 256


def test_distinct_of_one_and_of_none():
    single = minimize(lambda x: x**2, 1.0)
    assert [minimum.hits for minimum in single.distinct()] == [1]
    nothing = minimize(lambda x: x[0] ** 2, np.ones((2, 1)), maxiter=0)
    assert [minimum.hits for minimum in nothing.distinct()] == [2]
    assert type(single.distinct()[0].x) is float
    with pytest.raises(ValueError, match="tol"):
        single.distinct(-1.0)
    with pytest.raises(ValueError, match=r"x_scale must be a number or have shape \(1,\)"):
        nothing.distinct(x_scale=[1.0, 2.0])
    with pytest.raises(ValueError, match="x_scale"):
        single.distinct(x_scale=0.0)


def test_distinct_of_many():
    """Against all pairs of answers, compared one by one."""
    x0 = np.random.default_rng(0).uniform(-5.0, 5.0, (300, 2))
    result = minimize(functions.rastrigin, x0, vectorized=True)
    found = result.distinct(1e-3)
    centers, hits = [], []
    for j in np.argsort(result.fun, kind="stable"):
        if not result.success[j]:
            continue
        near = [k for k, center in enumerate(centers) if np.all(
            np.abs(center - result.x[j]) <= 1e-3 * np.maximum(1.0, np.abs(center)))]
        if near:
            hits[near[0]] += 1
        else:
            centers.append(result.x[j])
            hits.append(1)
    assert len(found) == len(centers) > 20
    assert sorted(minimum.hits for minimum in found) == sorted(hits)
