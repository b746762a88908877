"""Methods of a fixed form: their formulas by torch, by definition and in plain NumPy, their symmetries, their lanes."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fastgd import methods, minimize

from . import reference
from .problems import bits, rosenbrock, slopes_of_rosenbrock, wavy

TWINS = {
    "GradientDescent": reference.gradient_descent, "Adagrad": reference.adagrad, "RMSprop": reference.rmsprop,
    "Adam": reference.adam, "AdamW": reference.adam, "NAdam": reference.nadam,
}
#: Name of a method's class, its rate on functions with slopes around 1, its options.
CASES = [
    ("GradientDescent", 0.002, {}),
    ("GradientDescent", 0.0005, {"momentum": 0.9}),
    ("GradientDescent", 0.001, {"momentum": 0.3}),
    ("GradientDescent", 0.0005, {"momentum": 0.9, "nesterov": True}),
    ("GradientDescent", 0.001, {"momentum": 0.5, "nesterov": True}),
    ("Adagrad", 0.01, {}),
    ("Adagrad", 0.3, {"initial_accumulator": 0.1, "eps": 1e-3}),
    ("RMSprop", 0.01, {}),
    ("RMSprop", 0.003, {"decay": 0.9, "eps": 1e-2, "momentum": 0.7}),
    ("RMSprop", 0.003, {"centered": True}),
    ("RMSprop", 0.001, {"decay": 0.95, "momentum": 0.5, "centered": True}),
    ("Adam", 0.001, {}),
    ("Adam", 0.05, {"beta1": 0.5, "beta2": 0.9, "eps": 1e-3}),
    ("Adam", 0.03, {"beta1": 0.0, "beta2": 0.99}),
    ("Adam", 0.03, {"beta2": 0.9, "amsgrad": True}),
    ("AdamW", 0.01, {"weight_decay": 0.01}),
    ("AdamW", 0.03, {"beta1": 0.8, "beta2": 0.95, "weight_decay": 0.5, "amsgrad": True}),
    ("NAdam", 0.002, {}),
    ("NAdam", 0.03, {"beta1": 0.8, "beta2": 0.95, "eps": 1e-4, "momentum_decay": 0.1}),
]
EACH_CASE = pytest.mark.parametrize(("name", "rate", "options"), CASES, ids=str)


def method(name, rate, options):
    return getattr(methods, name)(rate, **options)


def bowl(x):
    return 3 * x[0] * x[0] + x[0] * x[1] + 2 * x[1] * x[1] - x[0] + 2 * x[1]


def slopes_of_bowl(x):
    return np.array([6 * x[0] + x[1] - 1, x[0] + 4 * x[1] + 2])


def slopes_of_wavy(x):
    slopes = -2 * np.sin(x / 2) + 10 * x / 3
    slopes[0] += 2 * x[0] * np.exp(x[0] * x[0])
    slopes[-1] -= 2 * x[-1] / (3 + x[-1] * x[-1]) ** 2
    return slopes


EACH_FUNCTION = pytest.mark.parametrize("slope", [slopes_of_bowl, slopes_of_rosenbrock, slopes_of_wavy])
FUNCTIONS = {slopes_of_bowl: bowl, slopes_of_rosenbrock: rosenbrock, slopes_of_wavy: wavy}
X0 = [-0.7, 0.9]


def trace(chosen, slope, n_steps, x0=X0, fun=None, **options):
    """The path of a single run that ends after n_steps."""
    result = minimize(fun or FUNCTIONS[slope], x0, method=chosen, jac=slope, maxiter=n_steps, gtol=0.0, trace=1,
                      **options)
    assert result.nit == n_steps
    return result.trace


# Formulas


TORCH_NAMES = {"GradientDescent": "SGD", "initial_accumulator": "initial_accumulator_value", "decay": "alpha"}


@pytest.fixture
def torch():
    torch = pytest.importorskip("torch")
    dtype, n_threads = torch.get_default_dtype(), torch.get_num_threads()
    torch.set_default_dtype(torch.float64)  # NAdam's factors, too
    torch.set_num_threads(1)
    yield torch
    torch.set_default_dtype(dtype)
    torch.set_num_threads(n_threads)


@EACH_FUNCTION
@EACH_CASE
def test_iterates_are_those_of_torch(torch, name, rate, options, slope):
    """With the same gradients torch's optimizers walk the same path, for 100 steps: each point to 1e-14 of the largest
    coordinate. (With gradients at their own points the functions multiply the last bits in which the paths differ.)"""
    path = trace(method(name, rate, options), slope, 100)
    betas = {"betas": (options.get("beta1", 0.9), options.get("beta2", 0.999))} if "Adam" in name else {}
    theirs = {TORCH_NAMES.get(key, key): value for key, value in options.items() if not key.startswith("beta")}
    point = torch.tensor(X0, dtype=torch.float64)
    optimizer = getattr(torch.optim, TORCH_NAMES.get(name, name))([point], lr=rate, **betas, **theirs)
    assert np.array_equal(path.jac, [slope(x) for x in path.x])
    for x, g in zip(path.x, path.jac, strict=True):
        np.testing.assert_allclose(x, point.numpy(), rtol=0.0, atol=1e-14 * np.abs(path.x).max())
        point.grad = torch.from_numpy(g)
        optimizer.step()


@pytest.mark.parametrize("beta1", [0.0, 0.1, 0.5, 0.6])
@pytest.mark.parametrize("name", ["Adam", "AdamW", "NAdam"])
def test_large_gradients_leave_no_rounding_behind(torch, name, beta1):
    """The mean of gradients forgets those that were larger by many orders as torch's does. Without a past, betas of 0,
    every step of Adam is a whole one."""
    slopes = np.array([[1e10, -1e3], [3e-7, -2e-4], [-5e-7, 1e-5], [2e-7, 3e-6]])
    remaining = iter([*slopes, [1.0, 1.0]])
    path = trace(method(name, 0.01, {"beta1": beta1, "beta2": 0.0}), lambda x: np.array(next(remaining)), len(slopes),
                 fun=lambda x: slopes[0] @ x)
    point = torch.tensor(X0, dtype=torch.float64)
    optimizer = getattr(torch.optim, name)([point], lr=0.01, betas=(beta1, 0.0))
    for x, g in zip(path.x[1:], slopes, strict=True):
        point.grad = torch.from_numpy(g)
        optimizer.step()
        np.testing.assert_allclose(x, point.numpy(), rtol=1e-13)
    if name == "Adam" and beta1 == 0.0:
        np.testing.assert_allclose(np.diff(path.x, axis=0), -0.01 * slopes / (np.abs(slopes) + 1e-8), rtol=1e-12)


def test_defaults_are_those_of_torch(torch):
    """All but gradient descent, which is left to find its rate."""
    for name in list(TWINS)[1:]:
        theirs = getattr(torch.optim, name)([torch.zeros(1)]).defaults
        theirs |= dict(zip(("beta1", "beta2"), theirs.get("betas", ()), strict=False))
        ours = vars(getattr(methods, name)())
        assert len(ours) >= 3
        for parameter, value in ours.items():
            key = {"learning_rate": "lr"}.get(parameter, TORCH_NAMES.get(parameter, parameter))
            assert theirs[key] == value


@EACH_FUNCTION
@EACH_CASE
def test_iterates_are_those_of_the_numpy_twin(name, rate, options, slope):
    """Every number of the path has the bits of the formula in plain NumPy."""
    path = trace(method(name, rate, options), slope, 60)
    expected = reference.descend(TWINS[name](**options), slope, X0, [rate] * 60)
    assert np.array_equal(path.x, expected)
    assert np.array_equal(path.jac, [slope(x) for x in expected])


def sums(share, terms):
    """For every k the sum of share^(k - i) terms_i over i <= k."""
    k = np.arange(len(terms))
    return np.tril(share ** np.abs(k[:, None] - k)) @ terms


def mean(share, terms):
    return (1 - share) * sums(share, terms)


def momentum_by_definition(g, momentum=0.0, nesterov=False):
    v = sums(momentum, g)
    return g + momentum * v if nesterov else v


def adagrad_by_definition(g, initial_accumulator=0.0, eps=1e-10):
    return g / (np.sqrt(initial_accumulator + np.cumsum(g**2, axis=0)) + eps)


def rmsprop_by_definition(g, decay=0.99, eps=1e-8, momentum=0.0, centered=False):
    variance = mean(decay, g**2) - (mean(decay, g) ** 2 if centered else 0.0)
    return sums(momentum, g / (np.sqrt(variance) + eps))


def adam_by_definition(g, beta1=0.9, beta2=0.999, eps=1e-8, amsgrad=False, weight_decay=0.0):
    steps = np.arange(1, len(g) + 1)[:, None]
    v = mean(beta2, g**2)
    v = np.maximum.accumulate(v) if amsgrad else v
    return mean(beta1, g) / (1 - beta1**steps) / (np.sqrt(v / (1 - beta2**steps)) + eps)


def nadam_by_definition(g, beta1=0.9, beta2=0.999, eps=1e-8, momentum_decay=4e-3):
    steps = np.arange(1, len(g) + 2)[:, None]
    mu = beta1 * (1 - 0.96 ** (steps * momentum_decay) / 2)
    product = np.cumprod(mu, axis=0)
    m = mu[1:] * mean(beta1, g) / (1 - product[1:]) + (1 - mu[:-1]) * g / (1 - product[:-1])
    return m / (np.sqrt(mean(beta2, g**2) / (1 - beta2 ** steps[:-1])) + eps)


DEFINITIONS = {
    "GradientDescent": momentum_by_definition, "Adagrad": adagrad_by_definition, "RMSprop": rmsprop_by_definition,
    "Adam": adam_by_definition, "AdamW": adam_by_definition, "NAdam": nadam_by_definition,
}


@EACH_FUNCTION
@EACH_CASE
def test_steps_are_sums_over_all_gradients(name, rate, options, slope):
    """What a method remembers are weighted sums of the gradients so far, here written out without recursion."""
    path = trace(method(name, rate, options), slope, 60)
    step = DEFINITIONS[name](path.jac[:-1], **options)
    kept = (1 - rate * options.get("weight_decay", 0.0)) * path.x[:-1]
    np.testing.assert_allclose(path.x[1:], kept - rate * step, rtol=1e-12)


@given(curvatures=st.lists(st.integers(1, 7), min_size=1, max_size=4),
       numerators=st.lists(st.integers(-64, 64), min_size=4, max_size=4), n_steps=st.integers(0, 5),
       momentum=st.sampled_from([Fraction(0), Fraction(1, 2), Fraction(1, 4), Fraction(3, 4)]), nesterov=st.booleans())
def test_dyadic_quadratic_is_exact(curvatures, numerators, n_steps, momentum, nesterov):
    """With short binary fractions nothing is rounded: descent with momentum equals exact rational arithmetic."""
    x0 = [Fraction(numerator, 8) for numerator in numerators[:len(curvatures)]]
    nesterov = nesterov and momentum > 0
    exact = []
    for x, curvature in zip(x0, curvatures, strict=True):
        v = Fraction(0)
        for _ in range(n_steps):
            v = momentum * v + curvature * x
            x -= Fraction(1, 8) * (curvature * x + momentum * v if nesterov else v)
        exact.append(x)
    c = np.array(curvatures, dtype=float)
    result = minimize(lambda x: (c * x * x).sum() / 2, np.array(x0, dtype=float), jac=lambda x: c * x, maxiter=n_steps,
                      gtol=0.0, method=methods.GradientDescent(1 / 8, float(momentum), nesterov))
    assume(result.nit == n_steps)  # a gradient of exactly 0 ends the run, whatever the velocity
    assert [Fraction(x) for x in result.x.tolist()] == exact


def recursion(curvature, rate, momentum, nesterov):
    """The matrix that takes (x, v) to the next (x, v) on curvature * x^2 / 2."""
    if nesterov:
        return np.array([[1 - rate * curvature * (1 + momentum), -rate * momentum**2], [curvature, momentum]])
    return np.array([[1 - rate * curvature, -rate * momentum], [curvature, momentum]])


@given(eigenvalues=st.lists(st.floats(0.1, 10), min_size=1, max_size=5), seed=st.integers(0, 2**32 - 1),
       n_steps=st.integers(0, 40), fraction=st.floats(0.01, 0.95), momentum=st.floats(0.01, 0.95),
       nesterov=st.booleans())
def test_quadratic_follows_the_closed_form(eigenvalues, seed, n_steps, fraction, momentum, nesterov):
    """On x'Ax/2 momentum is a power of a 2 by 2 matrix along every eigenvector."""
    rate = fraction / max(eigenvalues)
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(len(eigenvalues), len(eigenvalues))))[0]
    A, along = (basis * eigenvalues) @ basis.T, rng.normal(size=len(eigenvalues))
    exact = [(np.linalg.matrix_power(recursion(curvature, rate, momentum, nesterov), n_steps) @ [x, 0.0])[0]
             for curvature, x in zip(eigenvalues, along, strict=True)]
    result = minimize(lambda x: 0.5 * x @ A @ x, basis @ along, jac=lambda x: A @ x, maxiter=n_steps, gtol=0.0,
                      method=methods.GradientDescent(rate, momentum, nesterov))
    assume(result.nit == n_steps)
    np.testing.assert_allclose(result.x, basis @ exact, atol=1e-11 * np.abs(along).max())


@pytest.mark.parametrize("momentum", [0.0, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("nesterov", [False, True])
def test_limit_of_the_rate(momentum, nesterov):
    """With momentum mu the descent shrinks below 2 (1 + mu) / (the largest eigenvalue) and grows above it; Nesterov's
    limit is 1 + 2 mu times lower."""
    nesterov = nesterov and momentum > 0
    limit = 2 * (1 + momentum) / (1 + 2 * momentum if nesterov else 1) / 5.0

    def size_after(rate):
        result = minimize(lambda x: 2.5 * x * x, 1.0, jac=lambda x: 5.0 * x, maxiter=4000, gtol=0.0,
                          method=methods.GradientDescent(rate, momentum, nesterov))
        return abs(result.x)

    assert size_after(0.99 * limit) < 1e-3
    assert size_after(1.01 * limit) > 1e3


# Symmetries


@pytest.mark.parametrize("exponent", [-40, -3, 1, 25])
@pytest.mark.parametrize("differences", [False, True])
@EACH_CASE
def test_unit_of_the_function(name, rate, options, differences, exponent):
    """A power of two in front of f changes no bit of the path, if the parameters in units of f go with it."""
    factor, chosen = 2.0**exponent, method(name, rate, options)
    powers = {"eps": 1, "initial_accumulator": 2, "learning_rate": -1 if name == "GradientDescent" else 0}
    scaled = {key: vars(chosen)[key] * factor**power for key, power in powers.items() if key in vars(chosen)}

    def run(method, factor):
        return minimize(lambda x: factor * rosenbrock(x), X0, method=method, maxiter=60, gtol=0.0, trace=1,
                        jac=None if differences else lambda x: factor * slopes_of_rosenbrock(x)).trace

    path, scaled_path = run(chosen, 1.0), run(replace(chosen, **scaled), factor)
    assert np.array_equal(scaled_path.x, path.x)
    assert np.array_equal(scaled_path.fun, factor * path.fun)
    assert np.array_equal(scaled_path.jac, factor * path.jac)


@pytest.mark.parametrize("differences", [False, True])
@pytest.mark.parametrize("bounds", [None, (-1.0, 0.8)])
@pytest.mark.parametrize("fun", [(rosenbrock, slopes_of_rosenbrock), (wavy, slopes_of_wavy)])
@EACH_CASE
def test_reflection(name, rate, options, fun, bounds, differences):
    """The path on f(-x) from -x0 is the reflected path."""
    fun, slope = fun

    def run(sign):
        limits = bounds and tuple(sorted(sign * bound for bound in bounds))
        return minimize(lambda x: fun(sign * x), sign * np.array(X0).clip(*(bounds or (None, 1.0))), bounds=limits,
                        method=method(name, rate, options), maxiter=60, gtol=0.0, trace=1,
                        jac=None if differences else lambda x: sign * slope(sign * x)).trace

    path, reflected = run(1.0), run(-1.0)
    assert len(path.x) == 61
    assert np.array_equal(reflected.x, -path.x)
    assert np.array_equal(reflected.jac, -path.jac)
    assert np.array_equal(reflected.fun, path.fun)


@EACH_CASE
def test_bounds(name, rate, options):
    """Bounds project every step; where they are infinite they change no bit."""
    chosen = method(name, rate, options)
    twin = TWINS[name](**options)
    path = trace(chosen, slopes_of_bowl, 50, bounds=([-0.69, 0.7], [2.0, 0.89]), x0=[-0.69, 0.89])
    expected = reference.descend(lambda x, g, rate: np.clip(twin(x, g, rate), [-0.69, 0.7], [2.0, 0.89]),
                                 slopes_of_bowl, [-0.69, 0.89], [rate] * 50)
    assert np.array_equal(path.x, expected)
    free = minimize(rosenbrock, X0, method=chosen, maxiter=50, keep_best=True)
    assert bits(free) == bits(minimize(rosenbrock, X0, method=chosen, maxiter=50, keep_best=True,
                                       bounds=(-np.inf, [np.inf, np.inf])))
