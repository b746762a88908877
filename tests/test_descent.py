"""The loop: rates that change from iteration to iteration, and noise on the gradients, against loops in plain NumPy."""

import math
from functools import partial

import numpy as np
import pytest

from fastgd import Status, maximize, methods, minimize, schedules
from fastgd.noise import GaussianNoise

from . import reference
from .problems import bits, rosenbrock, slopes_of_rosenbrock, valley

SCHEDULES = [
    schedules.Constant(0.1),
    schedules.StepDecay(0.1, 7, 0.3),
    schedules.ExponentialDecay(0.1, 0.97, 3),
    schedules.InverseTimeDecay(0.1, 0.7, 3, 0.6),
    schedules.PolynomialDecay(0.1, 400, 0.003, 1.7),
    schedules.CosineDecay(0.1, 400, 0.003),
    schedules.CosineRestarts(0.1, 7, 2, 0.003),
    schedules.Cyclical(0.1, 0.3, 5, 3, "exp_range", 0.97),
    schedules.Warmup(5, schedules.CosineDecay(0.1, 500)),
    schedules.Table([0.3, 0.1, 0.2]),
]
TWINS = {
    methods.GradientDescent: reference.gradient_descent, methods.Adagrad: reference.adagrad,
    methods.RMSprop: reference.rmsprop, methods.Adam: reference.adam,
    methods.AdamW: partial(reference.adam, weight_decay=0.01), methods.NAdam: reference.nadam,
}
X0 = [0.7, -1.9]


def bowl(x):
    return 0.001 * (x[0] * x[0] + 3 * x[1] * x[1])


def slopes_of_bowl(x):
    return np.array([0.002 * x[0], 0.006 * x[1]])


def path(**options):
    return minimize(bowl, X0, jac=slopes_of_bowl, gtol=0.0, trace=1, **options).trace.x


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
@pytest.mark.parametrize("kind", TWINS)
def test_schedule_gives_the_rate_of_every_iteration(schedule, kind):
    """600 steps at the rates schedule(0), schedule(1), ... are those of a loop in NumPy, to the last bit."""
    expected = reference.descend(TWINS[kind](), slopes_of_bowl, X0, [schedule(k) for k in range(600)])
    assert np.array_equal(path(method=kind(schedule), maxiter=600), expected)


def test_every_schedule_is_here():
    assert {type(schedule).__name__ for schedule in SCHEDULES} == set(schedules.__all__) - {"Schedule"}


@pytest.mark.parametrize("rate", [0.3, schedules.StepDecay(0.3, 10), lambda k: 0.3 / (1 + k)],
                         ids=["number", "schedule", "function"])
@pytest.mark.parametrize("kind", TWINS)
def test_rate_of_the_call_overrides_that_of_the_method(kind, rate):
    """learning_rate= takes the place of the method's own, whatever kind either is."""
    expected = path(method=kind(rate), maxiter=20)
    for own in (0.01, schedules.Constant(0.02), lambda k: 0.04):
        assert np.array_equal(path(method=kind(own), learning_rate=rate, maxiter=20), expected)


@pytest.mark.parametrize("kind", [np.float64, np.float32, float, int])
def test_function_of_the_iteration(kind):
    """Any function of k that returns a number is a schedule."""
    def rate(k):
        return kind(2 ** -(k // 3)) if kind is not int else 1 + k % 3

    expected = reference.descend(reference.gradient_descent(), slopes_of_bowl, X0, [float(rate(k)) for k in range(30)])
    assert np.array_equal(path(learning_rate=rate, maxiter=30), expected)


@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize("n_problems", [1, 40])
@pytest.mark.parametrize("n_steps", [0, 3, 700])
def test_function_is_asked_once_for_every_iteration(n_steps, n_problems, vectorized):
    """In order from 0, as far as maxiter at most, by one problem or many; each k is an int."""
    asked = []

    def rate(k):
        asked.append(k)
        return 0.1

    minimize(bowl, np.ones((n_problems, 2)), jac=slopes_of_bowl, learning_rate=rate, gtol=0.0, vectorized=vectorized,
             maxiter=n_steps if n_problems == 1 else np.arange(40) % (n_steps + 1))
    assert asked == list(range(len(asked)))
    assert {type(k) for k in asked} <= {int}
    assert len(asked) >= (n_steps if n_problems == 1 else min(n_steps, 39))


def test_function_is_not_asked_beyond_maxiter():
    """A list of rates that is as long as the run suffices."""
    rates = [0.1, 0.2, 0.3]
    assert len(path(learning_rate=rates.__getitem__, maxiter=3)) == 4
    many = minimize(bowl, np.ones((5, 2)), learning_rate=rates.__getitem__, maxiter=[0, 1, 2, 3, 1], gtol=0.0)
    assert many.nit.tolist() == [0, 1, 2, 3, 1]


@pytest.mark.parametrize("vectorized", [False, True])
def test_exception_of_a_function_of_the_iteration(vectorized):
    """It comes back as the same object, with no note: it has nothing to do with a problem."""
    error = LookupError("mine")

    def rate(k):
        if k == 2:
            raise error
        return 0.1

    for on_error in ("raise", "record"):
        with pytest.raises(LookupError) as caught:
            minimize(valley, np.ones((3, 2)), learning_rate=rate, vectorized=vectorized, on_error=on_error)
        assert caught.value is error


@pytest.mark.parametrize(("value", "error"), [
    (-0.1, ValueError), (math.nan, ValueError), (math.inf, ValueError), ("0.1", TypeError), (None, TypeError),
    (1j, TypeError), (np.ones(2), TypeError)], ids=str)
def test_function_of_the_iteration_that_returns_no_rate(value, error):
    """The message names the call."""
    with pytest.raises(error, match=r"learning_rate\(2\) must"):
        path(learning_rate=lambda k: value if k == 2 else 0.1, maxiter=10)


def test_rate_of_zero_stays():
    """A schedule may fade to 0: from there on x does not move, and the run goes on to its end."""
    result = minimize(valley, X0, learning_rate=schedules.PolynomialDecay(0.01, 5), maxiter=12, trace=1)
    assert (result.nit, result.status) == (12, Status.MAXITER)
    assert len(np.unique(result.trace.x, axis=0)) == 6


# Noise


@pytest.mark.parametrize("kind", TWINS)
@pytest.mark.parametrize("n_dim", [1, 3, 9])
def test_noise_is_added_to_the_gradient(kind, n_dim):
    """x -= rate * (g + noise), with the noise of seed, problem, iteration and coordinate, for every problem."""
    x0 = np.random.default_rng(1).normal(size=(6, n_dim))
    rate = schedules.InverseTimeDecay(0.05, 0.1)
    result = minimize(lambda x: (x * x).sum(axis=0), x0, jac=lambda x: 2 * x, vectorized=True, learning_rate=rate,
                      method=kind(1.0), noise=GaussianNoise(0.5, 0.7), rng=11, maxiter=40, gtol=0.0, trace=1)
    for problem, start in enumerate(x0):
        noise = [reference.gradient_noise(11, problem, k, n_dim, 0.5, 0.7) for k in range(40)]
        expected = reference.descend(TWINS[kind](), lambda x: 2 * x, start, rate(np.arange(40)), noise.__getitem__)
        np.testing.assert_allclose(result.trace[problem].x, expected, rtol=1e-12, atol=1e-12)
        assert np.array_equal(result.trace[problem].jac, 2 * result.trace[problem].x)  # without the noise


def test_noise_of_an_image_of_problems():
    """The number of a problem is that in C order."""
    options = {"learning_rate": 0.002, "noise": GaussianNoise(), "rng": 2, "maxiter": 5, "gtol": 0.0}
    image, row = (minimize(rosenbrock, np.full(shape, 1.5), **options) for shape in ((2, 3, 2), (6, 2)))
    assert np.array_equal(image.x.reshape(6, 2), row.x)
    assert not np.array_equal(image.x[0, 0], image.x[1, 0])


def test_seeds():
    """The same seed, the same bits; another one, or none, others."""
    def run(rng):
        return minimize(rosenbrock, X0, learning_rate=0.001, noise=GaussianNoise(), rng=rng, maxiter=5)

    assert bits(run(5)) == bits(run(np.random.SeedSequence(5))) == bits(run(5))
    assert len({run(rng).x.tobytes() for rng in (5, 6, None, None)}) == 4
    generator = np.random.default_rng(5)
    assert run(generator).x.tobytes() != run(generator).x.tobytes()


def test_tests_for_convergence_see_no_noise():
    """A run ends at the first iterate whose own gradient is small, however strong the noise; result.jac is its own."""
    result = minimize(bowl, X0, jac=slopes_of_bowl, learning_rate=10.0, noise=GaussianNoise(1e-4), rng=0, trace=1,
                      gtol=1e-3, maxiter=2000)
    sizes = np.abs(result.trace.jac).max(axis=1)
    assert result.status == Status.GTOL
    assert sizes[-1] <= 1e-3 < sizes[:-1].min()
    assert np.array_equal(result.jac, slopes_of_bowl(result.x))


def test_maximum_with_noise_mirrors_the_minimum():
    options = {"learning_rate": 0.001, "noise": GaussianNoise(), "rng": 5, "maxiter": 20}
    down = minimize(rosenbrock, X0, jac=slopes_of_rosenbrock, **options)
    up = maximize(lambda x: -rosenbrock(x), X0, jac=lambda x: -slopes_of_rosenbrock(x), **options)
    assert np.array_equal(up.x, down.x)
    assert up.fun == -down.fun


def test_noise_inside_bounds():
    """Steps with noise are projected."""
    result = minimize(bowl, np.ones((20, 2)) / 16, bounds=(-0.1, 0.1), learning_rate=0.5, noise=GaussianNoise(1.0, 0.0),
                      rng=1, maxiter=20, gtol=0.0, trace=1)
    points = np.concatenate([path.x for path in result.trace.values()])
    assert np.abs(points).max() == 0.1


@pytest.mark.parametrize(("options", "error", "message"), [
    ({"rng": 1, "learning_rate": 0.1}, ValueError, "rng has no effect without noise"),
    ({"noise": GaussianNoise()}, ValueError, "noise does not go with BFGS as given, which searches"),
    ({"noise": GaussianNoise(), "method": "gd"}, ValueError,
     "noise does not go with GradientDescent as given, which searches"),
    ({"noise": GaussianNoise(), "method": "adam", "learning_rate": "auto"}, ValueError,
     "learning_rate must be a number"),
    ({"noise": 0.1, "learning_rate": 0.1}, TypeError, "noise must be None or a fastgd.noise.GaussianNoise, got float"),
    ({"noise": GaussianNoise(), "rng": "a", "learning_rate": 0.1}, TypeError, "rng must be None"),
])
def test_what_does_not_go_together(options, error, message):
    with pytest.raises(error, match=message):
        minimize(bowl, X0, **options)
