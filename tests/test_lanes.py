"""Lanes: every method gives a problem the same bits alone, in a batch, in any order, and in a lane used before."""

import numpy as np
import pytest

import fastgd
from fastgd import Status, functions, methods, minimize, schedules
from fastgd.noise import GaussianNoise

from .problems import CHECKS_OF_JAC, bits, valley

METHODS = {
    "auto": methods.GradientDescent(),
    "gd": methods.GradientDescent(0.02),
    "momentum": methods.GradientDescent(0.005, momentum=0.8),
    "nesterov": methods.GradientDescent(0.005, momentum=0.8, nesterov=True),
    "adagrad": methods.Adagrad(0.1, initial_accumulator=0.01),
    "rmsprop": methods.RMSprop(0.01, decay=0.9),
    "rmsprop with momentum": methods.RMSprop(0.01, decay=0.9, momentum=0.5),
    "centered rmsprop": methods.RMSprop(0.01, decay=0.9, centered=True, momentum=0.5),
    "adam": methods.Adam(0.03),
    "amsgrad": methods.Adam(0.03, beta2=0.9, amsgrad=True),
    "adamw": methods.AdamW(0.03),
    "nadam": methods.NAdam(0.03),
    "schedule": methods.Adam(schedules.CosineRestarts(0.1, 7)),
    "function": methods.GradientDescent(lambda k: 0.03 / (1 + k), momentum=0.5),
    "bfgs": methods.BFGS(),
    "lbfgs": methods.LBFGS(3),
    "newton": methods.Newton(),
}
FIXED = [name for name, method in METHODS.items() if method.fixed_rate is not None]


def starts(n_problems, n_dim=3):
    """Points at very different distances, so that problems end at different iterations."""
    rng = np.random.default_rng(6)
    return rng.uniform(-2, 2, (n_problems, n_dim)) * 10.0 ** rng.uniform(-4, 0, (n_problems, 1))


def slopes_of_valley(x):
    slopes = [2 * (i + 1) * x[i] + 0.4 * x[i] * x[i] * x[i] for i in range(len(x))]
    slopes[0] = slopes[0] + x[-1]
    slopes[-1] = slopes[-1] + x[0]
    return np.array(slopes)


OPTIONS = {
    "differences": {}, "gradient": {"jac": slopes_of_valley}, "tolerances": {"xtol": 1e-3, "ftol": 1e-3},
    "few evaluations": {"maxfev": 70}, "best": {"keep_best": True}, "bounds": {"bounds": (-0.3, [0.2, 1.5, np.inf])},
    "bounds and gradient": {"bounds": (-0.3, [0.2, 1.5, np.inf]), "jac": slopes_of_valley, "gtol": 1e-5},
    "pair": {"jac": True},
}


def solve(x0, method, vectorized=False, **options):
    """With an end that depends on x0 where there is no other."""
    if "bounds" in options:
        x0 = np.clip(x0, *options["bounds"])
    fun = (lambda x: (valley(x), slopes_of_valley(x))) if options.get("jac") is True else valley
    return minimize(fun, x0, method=METHODS[method], vectorized=vectorized,
                    **{"maxiter": 3 + (1e6 * np.abs(x0[..., 0])).astype(int) % 35, "gtol": 1e-2, **options})


@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("method", METHODS)
def test_batch_equals_singles(method, options, vectorized):
    """Every problem of a batch has the bits of its own pointwise run: in any order, in any subset, and twice."""
    options, x0 = OPTIONS[options], starts(37)
    batch = solve(x0, method, vectorized, **options)
    assert len(np.unique(batch.nit)) > 3 or method == "newton"  # which takes two or three iterations for all of them
    for problem in range(37):
        assert bits(solve(x0[problem], method, **options)) == bits(batch, problem)
    rng = np.random.default_rng(2)
    for chosen in (slice(None, None, -1), rng.permutation(37), rng.choice(37, 11, replace=False),
                   rng.integers(0, 37, 80)):
        assert bits(solve(x0[chosen], method, vectorized, **options)) == bits(batch, chosen)


def quartic(x):
    return (x * x).sum(axis=0) + (x * x * x * x).sum(axis=0)


def slopes_of_quartic(x):
    return 2 * x + 4 * x * x * x


@pytest.mark.parametrize("options", [
    {"jac": slopes_of_quartic}, {"jac": slopes_of_quartic, "bounds": (-0.5, 2)},
    {"jac": slopes_of_quartic, "keep_best": True}, {}], ids=["gradient", "bounds", "best", "differences"])
@pytest.mark.parametrize("method", [name for name in METHODS if name != "newton"])
def test_lanes_used_before(method, options):
    """400 problems of 200 dimensions, for which there are 160 lanes, end as they do with few neighbours, or alone:
    nothing of a lane's past, be it the memory of the method or its iteration, reaches the next problem."""
    x0 = np.clip(starts(400, 200), -0.5, 2)
    maxiter = np.arange(400) % (17 if "jac" in options else 5)

    def solve_some(chosen):
        return minimize(quartic, x0[chosen], method=METHODS[method], vectorized=True, maxiter=maxiter[chosen],
                        gtol=1e-2, **options)

    batch = solve_some(slice(None))
    assert len(np.unique(batch.nit)) > 3
    for chosen in (slice(0, 1), slice(170, 172), slice(300, 333), slice(399, 400),
                   np.random.default_rng(0).permutation(400)[:60]):
        assert bits(solve_some(chosen)) == bits(batch, chosen)


@pytest.mark.parametrize("method", METHODS)
def test_neighbours_that_fail(method):
    """A problem whose function returns nan or raises ends by itself; those beside it do not notice."""
    x0 = starts(40)

    def fun(x, fault):
        if (fault == 2).any():
            raise ZeroDivisionError("mine")
        return np.where(fault == 1, np.nan, valley(x))

    fault = np.arange(40) % 5
    batch = minimize(fun, x0, method=METHODS[method], vectorized=True, batch_args=(fault,), on_error="record",
                     maxiter=30, gtol=1e-2)
    assert set(batch.status[fault == 1]) == {Status.NONFINITE}
    assert set(batch.status[fault == 2]) == {Status.EXCEPTION}
    healthy = np.flatnonzero((fault != 1) & (fault != 2))
    assert bits(solve(x0[healthy], method, maxiter=30)) == bits(batch, healthy)


@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize("method", [name for name in FIXED if name not in ("schedule", "function")])
def test_rate_of_each_problem(method, vectorized):
    """An array of rates gives every problem its own, for every method; "gd" takes one in place of "auto"."""
    rates, x0 = np.linspace(0.001, 0.05, 20), starts(20)
    batch = solve(x0, method, vectorized, learning_rate=rates)
    assert len(np.unique(batch.x, axis=0)) == 20
    for problem, rate in enumerate(rates):
        assert bits(solve(x0[problem], method, learning_rate=rate)) == bits(batch, problem)
    if method == "gd":
        assert bits(solve(x0, "auto", vectorized, learning_rate=rates)) == bits(batch)


@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize("method", FIXED)
def test_noise_depends_on_the_number_of_the_problem(method, vectorized):
    """The first problems of a batch have their noise whatever follows them; equal starts part."""
    options = {"noise": GaussianNoise(0.1), "rng": 3, "maxiter": 10, "gtol": 0.0}
    x0 = starts(40)
    batch = solve(x0, method, vectorized, **options)
    for n_problems in (1, 2, 39):
        assert bits(solve(x0[:n_problems], method, vectorized, **options)) == bits(batch, slice(n_problems))
    assert bits(solve(x0[0], method, **options)) == bits(batch, 0)
    assert len(np.unique(solve(np.ones((40, 3)), method, vectorized, **options).x, axis=0)) == 40


@pytest.mark.parametrize("method", FIXED)
def test_noise_in_lanes_used_before(method):
    """Also a problem that waited for a lane has the noise of its own number, from iteration 0 on."""
    x0 = starts(400, 200)
    options = {"method": METHODS[method], "jac": slopes_of_quartic, "noise": GaussianNoise(0.1), "rng": 3, "gtol": 0.0,
               "maxiter": 1 + np.arange(400) % 7}
    vectorized = minimize(quartic, x0, vectorized=True, **options)
    pointwise = minimize(quartic, x0, **options)  # in one lane, one after the other
    assert np.array_equal(vectorized.x, pointwise.x)


@pytest.mark.parametrize("options", ["differences", "bounds", "gradient", "best"])
@pytest.mark.parametrize("method", METHODS)
def test_columns_are_counted(method, options):
    """nfev is, for each problem, the number of different points in the calls to a vectorized function, but for those at
    which a gradient of the user's is compared with values."""
    options, x0 = OPTIONS[options], starts(30)
    counts = np.zeros(30, dtype=int)

    def fun(x, problem):
        columns = np.unique(np.vstack([problem, x]), axis=1)  # the padding repeats points of the call
        np.add.at(counts, columns[0].astype(int), 1)
        return valley(x)

    if "bounds" in options:
        x0 = np.clip(x0, *options["bounds"])
    if "jac" in options:
        options = {"jac": lambda x, problem: slopes_of_valley(x)}
    batch = minimize(fun, x0, method=METHODS[method], vectorized=True, batch_args=(np.arange(30),), maxiter=40,
                     gtol=1e-2, **options)
    counts[0] -= CHECKS_OF_JAC if "jac" in options else 0
    assert batch.nfev.tolist() == counts.tolist()


@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize("options", [{}, {"ftol": 1e-12}, {"maxiter": 200}], ids=["gtol", "ftol", "maxiter"])
def test_any_number_of_lanes(options, bounded):
    """Every lane is looked at, however many there are; here problems end one after another until none is left."""
    x0 = np.clip(starts(200), -1.5, 2.5)
    options = {"learning_rate": 0.02, "gtol": 1e-6, "bounds": (-1.5, 2.5) if bounded else None, **options}
    whole = minimize(functions.sum_squares.compiled, x0, **options)
    assert len(set(whole.nit)) > 40
    for n in [*range(1, 20), 31, 32, 33, 39, 40, 41, 63, 64, 65, 95, 96, 97, 129]:
        some = minimize(functions.sum_squares.compiled, x0[:n], **options)
        for name in ("x", "jac", "fun", "nit", "nfev", "njev", "status"):
            assert np.array_equal(some[name], whole[name][:n])


@pytest.mark.parametrize(("n", "widths"), [(20, {24}), (23, {24}), (28, {16})])
def test_batches_fill_the_lanes(n, widths):
    """16 lanes are right for this many coordinates. A few more problems come into more lanes, instead of waiting."""
    seen = []

    def fun(x):
        seen.append(x.shape[1])
        return np.sum(x[:3]**2, axis=0)

    x0 = np.zeros((n, 1 << 14))
    x0[:, 0] = 1.0 + np.arange(n)
    result = minimize(fun, x0, vectorized=True, jac=lambda x: 2.0 * x * (np.arange(len(x)) < 3)[:, None],
                      learning_rate=0.1, gtol=0.0, maxiter=2)
    assert seen[:CHECKS_OF_JAC] == [8] * CHECKS_OF_JAC  # of one problem
    assert set(seen[CHECKS_OF_JAC:]) == widths
    assert np.all(result.nit == 2)


@pytest.mark.parametrize("jac", ["3-point", "exact"])
def test_zeros_on_a_bound_have_its_sign(jac):
    """Whatever the problems beside them do meanwhile."""
    pytest.importorskip("numba")
    x0 = np.linspace(1.0, 6.0, 400)[:, None]
    x0[200:] = -0.0
    fun = fastgd.jit(lambda x: (x[0]**2 + 1.0)**0.25 + 2.0 * x[0])
    result = minimize(fun, x0, bounds=(0.0, 6.0), jac=jac, maxiter=10)
    assert not np.signbit(result.x[200:]).any()
    assert not np.signbit(minimize(fun, x0[-1], bounds=(0.0, 6.0), jac=jac, maxiter=10).x).any()
