"""What tutorials on gradient descent show: their own loops, in plain Python and NumPy, and the figures they print."""

import math

import numpy as np
import pytest

import fastgd
from fastgd import Status, maximize, minimize

from . import reference

TEXTBOOK = fastgd.Difference(step=1e-5)


def descend(slope, x, rate, n_steps):
    """The path x_0, x_1, ... of x -= rate * slope(x)."""
    path = [x]
    for _ in range(n_steps):
        x = x - rate * slope(x)
        path.append(x)
    return np.array(path)


def central_difference(fun, h=1e-5):
    """The gradient of a function of several arguments, a coordinate at a time."""

    def slope(x):
        answer = np.zeros(len(x))
        for i in range(len(x)):
            above, below = x.copy(), x.copy()
            above[i] = x[i] + h
            below[i] = x[i] - h
            answer[i] = (fun(*above) - fun(*below)) / (2 * h)
        return answer

    return slope


def run(slope, x0, rate, n_steps, fun, **options):
    """The same by fastgd, without any other end than the number of steps, with its whole path."""
    return minimize(fun, x0, jac=slope, learning_rate=rate, maxiter=n_steps, gtol=0.0, trace=1, **options)


def test_univariate_with_known_derivative():
    """x^2 - 4x + 4 from 10 at rate 0.01: the lines printed every 100 iterations and the minimum, all digits of it."""
    def f(x):
        return x**2 - 4 * x + 4

    def slope(x):
        return 2 * x - 4

    result = minimize(f, 10.0, jac=slope, learning_rate=0.01, maxiter=400, gtol=0.0, trace=100)
    assert [f"{x:.2f}" for x in result.trace.x[:4]] == ["10.00", "3.06", "2.14", "2.02"]
    assert [f"{value:.2f}" for value in result.trace.fun[:4]] == ["64.00", "1.13", "0.02", "0.00"]
    assert result.x == 2.0024746869264467
    assert result.fun == 6.124075383695526e-06
    assert (result.nit, result.njev, result.status) == (400, 401, Status.MAXITER)
    path = run(slope, 10.0, 0.01, 400, f).trace
    assert path.x.tolist() == descend(slope, 10.0, 0.01, 400).tolist()
    assert path.fun.tolist() == [f(x) for x in path.x.tolist()]


TWO_VARIABLES = (lambda x, y: x**2 + y**2, [2.0, 2.0], 0.02, {
    100: "[0.03374064 0.03374064]", 200: "[0.00056922 0.00056922]", 300: "[9.60284475e-06 9.60284475e-06]",
    400: "[1.62003058e-07 1.62003058e-07]"})
THREE_VARIABLES = (lambda x, y, z: x**2 - 2 * x + y**2 + z**2 + z * y, [2.0, -5.0, 7.0], 0.05, {
    100: "[ 1.00002656 -0.03552309  0.03552326]", 200: "[ 1.00000000e+00 -2.10315997e-04  2.10315998e-04]",
    300: "[ 1.00000000e+00 -1.24518145e-06  1.24518140e-06]",
    400: "[ 1.00000000e+00 -7.37243155e-09  7.37237427e-09]"})


@pytest.mark.parametrize(("f", "start", "rate", "lines"), [TWO_VARIABLES, THREE_VARIABLES], ids=["two", "three"])
def test_variables_by_central_difference(f, start, rate, lines):
    """f(*x) with h = 1e-5: the whole path has the bits of the tutorial's loop, and prints as there."""
    path = run(TEXTBOOK, start, rate, 400, f, unpack=True).trace
    expected = descend(central_difference(f), np.array(start), rate, 400)
    assert np.array_equal(path.x, expected)
    assert np.array_equal(path.fun, [f(*x) for x in expected])
    assert {k: str(path.x[k]) for k in lines} == lines


def test_three_variables_from_39_to_minus_1():
    """The value at the start is printed as 39.0, that at the minimum as -1.0."""
    f, start, rate, _ = THREE_VARIABLES
    path = run(TEXTBOOK, start, rate, 400, f, unpack=True).trace
    assert path.fun[0] == 39.0
    assert f"{path.fun[-1]:.8g}" == "-1"


@pytest.mark.parametrize("vectorized", [False, True], ids=["pointwise", "vectorized"])
def test_variables_by_central_difference_in_a_batch(vectorized):
    """Several starts at once take the paths that they take in the tutorial's loop, one by one."""
    def f(x, y, z):  # squares as products: NumPy's power of a scalar and of an array may differ in the last bit
        return x * x - 2 * x + y * y + z * z + z * y

    starts = np.random.default_rng(3).normal(scale=5, size=(40, 3))
    batch = minimize(f, starts, jac=TEXTBOOK, learning_rate=0.05, maxiter=100, gtol=0.0, unpack=True,
                     vectorized=vectorized)
    for x, start in zip(batch.x, starts, strict=True):
        assert np.array_equal(x, descend(central_difference(f), start, 0.05, 100)[-1])


def test_paraboloid_with_lists():
    """5,000 epochs in lists of Python floats; the tutorial prints the point after the step of every 500th epoch."""
    def gradient(x):
        return [2 * x[0], 2 * x[1]]

    point, printed = [6, -3], {}
    for epoch in range(5000):
        slope = gradient(point)
        point = [point[0] - 0.001 * slope[0], point[1] - 0.001 * slope[1]]
        if epoch % 500 == 0:
            printed[epoch] = point
    result = run(gradient, [6, -3], 0.001, 5000, lambda x: x[0]**2 + x[1]**2)
    assert {epoch: result.trace.x[epoch + 1].tolist() for epoch in printed} == printed
    assert result.x.tolist() == point == [0.00026968555624761565, -0.00013484277812380783]
    assert printed[0] == [5.988, -2.994]
    assert printed[500] == [2.2006573940846716, -1.1003286970423358]
    assert printed[4500] == [0.0007323481432962652, -0.0003661740716481326]


def parabola(x):
    return x**2 - 4 * x + 5


def slope_at_rates(x):
    return 2 * x - 4


RATES = {
    0.2: lambda x: (np.diff(x) > 0).all() and abs(x[-1] - 2) < 0.02,  # gets close
    0.02: lambda x: (np.diff(x) > 0).all() and x[-1] < 0.1,  # is slow
    0.8: lambda x: (np.diff(np.sign(x - 2)) != 0).all() and abs(x[-1] - 2) < 0.02,  # jumps, and converges
    1.01: lambda x: (np.diff(np.abs(x - 2)) > 0).all() and (np.diff(np.sign(x - 2)) != 0).all(),  # diverges
    0.5: lambda x: x.tolist() == [-1.0, 2.0],  # is there after one step, where the slope is 0
    1.0: lambda x: x.tolist() == [-1.0, 5.0] * 5 + [-1.0],  # flips
}


@pytest.mark.parametrize("rate", RATES)
def test_behaviour_at_a_learning_rate(rate):
    """x^2 - 4x + 5 from -1 in 10 steps: each rate behaves as described, and takes the loop's path."""
    result = run(slope_at_rates, -1.0, rate, 10, parabola)
    path = result.trace.x
    assert path.tolist() == descend(slope_at_rates, -1.0, rate, len(path) - 1).tolist()
    assert (result.nit, result.status) == ((1, Status.GTOL) if rate == 0.5 else (10, Status.MAXITER))
    assert RATES[rate](path)


def test_learning_rates_side_by_side():
    """One batch with a rate for each problem takes the paths of single runs."""
    batch = minimize(lambda x: parabola(x[0]), np.full((len(RATES), 1), -1.0), jac=slope_at_rates,
                     learning_rate=list(RATES), maxiter=10, gtol=0.0, trace=1)
    for problem, rate in enumerate(RATES):
        assert np.array_equal(batch.trace[problem].x[:, 0], run(slope_at_rates, -1.0, rate, 10, parabola).trace.x)


@pytest.mark.parametrize(("rate", "status", "oscillates"), [
    (0.01, Status.GTOL, False), (0.9, Status.GTOL, True), (1.0, Status.MAXITER, True)])
def test_convergence_oscillation_and_neither(rate, status, oscillates):
    """On x^2 a rate of 0.01 converges from one side, 0.9 from both, and 1.0 never."""
    result = minimize(lambda x: x**2, 4.0, jac=lambda x: 2 * x, learning_rate=rate, maxiter=1000, trace=1)
    assert result.status == status
    assert (result.trace.x[1:10] * result.trace.x[:9] < 0).all() == oscillates
    if rate == 1.0:
        assert set(result.trace.x.tolist()) == {-4.0, 4.0}


def ellipse(x):
    return 0.2 * x[0]**2 + x[1]**2


def slope_of_ellipse(x):
    return np.array([0.4 * x[0], 2 * x[1]])


def test_conditioning():
    """From (9, -3) the path bends at rate 0.2; at 0.8 it crosses the valley with every step, and is there sooner."""
    assert fastgd.gradient(ellipse, [9.0, -3.0]) == pytest.approx([3.6, -6.0], abs=1e-8)
    paths = {rate: run(slope_of_ellipse, [9.0, -3.0], rate, 100, ellipse).trace for rate in (0.2, 0.8)}
    for rate, path in paths.items():
        assert np.array_equal(path.x, descend(slope_of_ellipse, np.array([9.0, -3.0]), rate, 100))
        assert path.jac[0] == pytest.approx([3.6, -6.0])
        assert (np.diff(path.fun) < 0).all()
    bends, zigzags = paths[0.2], paths[0.8]
    assert (bends.x[:, 1] < 0).all()
    directions = np.diff(bends.x[:20], axis=0)
    assert (np.diff(np.abs(directions[:, 1] / directions[:, 0])) < 0).all()  # turns towards the axis
    assert (zigzags.x[1:, 1] * zigzags.x[:-1, 1] < 0).all()
    near = {rate: int(np.argmax(np.linalg.norm(path.x, axis=1) < 1e-2)) for rate, path in paths.items()}
    assert 0 < near[0.8] < near[0.2]


def test_local_minima():
    """x cos x + 9 on [-3, 13]: only starts from about 7 to 12 find the lowest valley within 10 steps of rate 0.1."""
    def f(x):
        return x * math.cos(x) + 9

    def slope(x):
        return math.cos(x) - x * math.sin(x)

    places = np.linspace(-3, 13, 1_000_001)
    lowest = places[np.argmin(places * np.cos(places))]
    starts = np.arange(-3.0, 12.01, 0.25)
    batch = minimize(f, starts[:, None], jac=slope, unpack=True, learning_rate=0.1, maxiter=10, gtol=0.0)
    assert batch.x[:, 0].tolist() == [descend(slope, start, 0.1, 10)[-1] for start in starts.tolist()]
    found = np.abs(batch.x[:, 0] - lowest) < 0.01
    assert found[(starts >= 7) & (starts <= 12)].all()
    assert not found[starts <= 6].any()
    assert batch.best.x == pytest.approx([lowest], abs=1e-3)
    assert run(slope, 12.0, 0.1, 10, f).fun < run(slope, -3.0, 0.1, 10, f).fun


def count_until(stop, x=10.0, rate=0.1):
    """The number of steps on (x - 2)^2 after which stop(x_before, x) holds; the start has no x before."""
    before, count = None, 0
    while not stop(before, x):
        before, x, count = x, x - rate * (2 * x - 4), count + 1
    return count


@pytest.mark.parametrize(("options", "stop", "status"), [
    ({"gtol": 1e-3}, lambda before, x: abs(2 * x - 4) <= 1e-3, Status.GTOL),
    ({"xtol": 1e-3}, lambda before, x: before is not None and abs(x - before) <= 1e-3 * max(1, abs(x)), Status.XTOL),
    ({"ftol": 1e-3}, lambda before, x: before is not None and 0 < (before - 2)**2 - (x - 2)**2 <= 1e-3, Status.FTOL),
    ({"maxiter": 7}, None, Status.MAXITER)], ids=["gradient", "step", "decrease", "iterations"])
def test_ways_to_stop(options, stop, status):
    """A small gradient, a small step, a small decrease and a number of iterations end the loop where they should."""
    result = minimize(lambda x: (x - 2)**2, 10.0, jac=lambda x: 2 * x - 4, learning_rate=0.1,
                      **{"gtol": 0.0, **options})
    assert result.status == status
    assert result.nit == (count_until(stop) if stop else 7)


def test_maximum_is_the_minimum_of_the_negative():
    """Ascending f is descending -f, with the value in the user's sign."""
    def f(x, y):
        return 3 - (x - 1)**2 - (y + 2)**2

    up = maximize(f, [4.0, 5.0], jac=TEXTBOOK, learning_rate=0.1, unpack=True)
    down = minimize(lambda x, y: -f(x, y), [4.0, 5.0], jac=TEXTBOOK, learning_rate=0.1, unpack=True)
    assert up.x.tolist() == down.x.tolist() == pytest.approx([1, -2], abs=1e-6)
    assert up.fun == -down.fun == pytest.approx(3.0)


# Noisy updates, schedules, and methods that remember


def double_well(x):
    return 0.2 * (x * x - 1) ** 2 + 0.06 * x


def slope_of_double_well(x):
    return 0.8 * x * (x * x - 1) + 0.06


def test_noisy_updates():
    """x -= rate * slope + noise: the noise on the gradient is the tutorial's noise over the rate."""
    rate, deviation = 0.05, 0.01
    result = minimize(double_well, 1.5, jac=slope_of_double_well, learning_rate=rate, maxiter=100, gtol=0.0, trace=1,
                      noise=fastgd.noise.GaussianNoise((deviation / rate) ** 2, decay=0.0), rng=4)
    x, path = 1.5, [1.5]
    for k in range(100):
        noise = reference.gradient_noise(4, 0, k, 1, deviation**2, 0.0)[0]
        x = x - (rate * slope_of_double_well(x) + noise)
        path.append(x)
    np.testing.assert_allclose(result.trace.x, path, rtol=1e-12)


def test_noise_leads_out_of_a_local_minimum():
    """From the higher of two valleys plain descent does not find the lower one; with fading noise most runs do."""
    options = {"jac": slope_of_double_well, "learning_rate": 0.1, "maxiter": 2000, "unpack": True}
    starts = np.full((50, 1), 1.5)
    assert (minimize(double_well, starts, **options).x > 0.9).all()
    noise = fastgd.noise.GaussianNoise(20.0)
    found = minimize(double_well, starts, noise=noise, rng=1, keep_best=True, **options).x[:, 0]
    assert (found < -0.9).sum() > 25


@pytest.mark.parametrize("schedule", [
    fastgd.schedules.StepDecay(1.0, 10, 0.5), fastgd.schedules.ExponentialDecay(1.0, 0.95),
    fastgd.schedules.InverseTimeDecay(1.0, 0.05), fastgd.schedules.CosineDecay(1.0, 100)], ids=repr)
def test_rates_that_start_large_and_decrease(schedule):
    """A rate at which x^2 only flips converges once it has decreased; the path is the loop's."""
    def slope(x):
        return 2 * x

    x, path = 4.0, [4.0]
    for k in range(100):
        x = x - schedule(k) * slope(x)
        path.append(x)
    result = run(slope, 4.0, schedule, 100, lambda x: x**2)
    assert result.trace.x.tolist() == path[:result.nit + 1]  # at 0 there is nothing more to do
    assert result.trace.x[1] == -4.0
    assert abs(result.x) < 1e-6
    assert run(slope, 4.0, 1.0, 100, lambda x: x**2).x == 4.0


@pytest.mark.parametrize("schedule", [
    fastgd.schedules.Cyclical(0.01, 0.9, 5), fastgd.schedules.CosineRestarts(0.9, 10)], ids=repr)
def test_rates_that_swing(schedule):
    """A rate that goes up and down periodically, on the ellipse: the path is the loop's, and arrives."""
    x = np.array([9.0, -3.0])
    path = [x]
    for k in range(200):
        x = x - schedule(k) * slope_of_ellipse(x)
        path.append(x)
    result = run(slope_of_ellipse, [9.0, -3.0], schedule, 200, ellipse)
    assert np.array_equal(result.trace.x, path)
    assert np.abs(result.x).max() < 1e-6


def momentum_loop(x, rate, momentum):
    change = np.zeros(2)
    while True:
        yield x
        change = rate * slope_of_ellipse(x) + momentum * change
        x = x - change


def nesterov_loop(x, rate, momentum):
    """Yields the points at which the gradient is taken: ahead, along the last change."""
    change = np.zeros(2)
    while True:
        ahead = x + momentum * change
        yield ahead
        change = momentum * change - rate * slope_of_ellipse(ahead)
        x = x + change


def adagrad_loop(x, rate):
    total = np.zeros(2)
    while True:
        yield x
        g = slope_of_ellipse(x)
        total = total + g**2
        x = x - rate / (1e-8 + np.sqrt(total)) * g


def rmsprop_loop(x, rate, rho):
    average = np.zeros(2)
    while True:
        yield x
        g = slope_of_ellipse(x)
        average = rho * average + (1 - rho) * g**2
        x = x - rate / (1e-8 + np.sqrt(average)) * g


def adam_loop(x, rate, beta1, beta2):
    m, v, t = np.zeros(2), np.zeros(2), 0
    while True:
        yield x
        g, t = slope_of_ellipse(x), t + 1
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        x = x - rate * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + 1e-8)


@pytest.mark.parametrize(("loop", "parameters", "method", "exactly"), [
    (momentum_loop, (0.125, 0.5), fastgd.methods.GradientDescent(0.125, momentum=0.5), True),
    (momentum_loop, (0.1, 0.9), fastgd.methods.GradientDescent(0.1, momentum=0.9), False),
    (nesterov_loop, (0.1, 0.9), fastgd.methods.GradientDescent(0.1, momentum=0.9, nesterov=True), False),
    (adagrad_loop, (1.5,), fastgd.methods.Adagrad(1.5, eps=1e-8), False),
    (rmsprop_loop, (0.1, 0.9), fastgd.methods.RMSprop(0.1, decay=0.9), False),
    (adam_loop, (0.3, 0.8, 0.999), fastgd.methods.Adam(0.3, beta1=0.8), False)])
def test_methods_that_remember(loop, parameters, method, exactly):
    """On the ellipse from (9, -3), 50 steps: the paths of the loops as they are usually written; with a rate that is
    a power of two momentum is rounded alike, to the last bit."""
    result = minimize(ellipse, [9.0, -3.0], jac=slope_of_ellipse, method=method, maxiter=50, gtol=0.0, trace=1)
    steps = loop(np.array([9.0, -3.0]), *parameters)
    path = np.array([next(steps) for _ in range(51)])
    np.testing.assert_allclose(result.trace.x, path, rtol=0 if exactly else 1e-12, atol=0 if exactly else 1e-12)
    assert ellipse(result.x) < 0.2 * ellipse([9.0, -3.0])


def test_momentum_is_there_sooner():
    """At the same small rate, along a narrow valley."""
    steps = {momentum: minimize(ellipse, [9.0, -3.0], jac=slope_of_ellipse, method=fastgd.methods.GradientDescent(
        0.02, momentum), gtol=1e-3, maxiter=5000).nit for momentum in (0.0, 0.5, 0.8)}
    assert 0 < steps[0.8] < steps[0.5] < steps[0.0] < 5000
