"""What fastgd.jit makes of NumPy functions as they are, beside NumPy in lock-step and beside JAX.

``python -m bench.jit`` minimizes from 16,384 points by Adam, 50 iterations in one thread, and prints a ratio beside its
goal and nanoseconds per evaluation, of which a gradient is taken to cost twice as many as it has coordinates, however
it was computed. Every comparison runs in a fresh process and checks that both sides found the same. Those with JAX are
skipped where it is not installed. ``--quick`` runs each once on few problems, for the checks alone; names of
comparisons (see ``--help``) run only those.
"""

import importlib.util
import math
import os
import tempfile
import time
from fractions import Fraction

import numpy as np

import fastgd
from bench.compiled import MAXITER, RATE, starts
from bench.timing import best_seconds, report, run_comparisons
from fastgd import Status, functions
from tests import reference

STEP = 2.0**-17  # given, so that both sides do the same work
DIFFERENCE = fastgd.Difference(step=STEP)
# How far the sides may be apart, by their elementary functions and by the rounding of their differences. The smaller
# a component of the gradient is, the more of an error of it Adam makes: its steps do not depend on the size.
TOLERANCE = 2e-9
TOLERANCE_OF_ACKLEY = 3e-8  # its gradients are the smallest here, and its second derivatives large
TOLERANCE_OF_LONG_SUM = 2e-8  # NumPy's differences of a sum of 99 terms have errors of about 1e-7
TOLERANCE_OF_FORMULA = 5e-9  # where only one side is differences, whose formula has an error of h**2 / 6 f'''


def logistic(w, features, labels):
    """The loss of a logistic regression with an intercept: features (8, 3, n_points), labels -1 or 1 (8, n_points)."""
    margins = labels * (np.sum(features * w[:3], axis=1) + w[3])
    return np.sum(np.logaddexp(0.0, -margins), axis=0)


def logistic_data(n_problems):
    rng = np.random.default_rng(1)
    return rng.normal(size=(n_problems, 8, 3)), rng.choice([-1.0, 1.0], size=(n_problems, 8))


def decay(x, times, values):
    """The misfit of an exponential decay: times and values (8, n_points)."""
    amplitude, rate, background = x
    return np.sum((amplitude * np.exp(-rate * times) + background - values) ** 2, axis=0)


def decay_data(n_problems):
    rng = np.random.default_rng(1)
    times = rng.uniform(0.0, 3.0, (n_problems, 8))
    return times, 2.0 * np.exp(-times) + 0.5 + rng.normal(scale=0.1, size=(n_problems, 8))


def minimized(fun, x0, data=(), maxiter=MAXITER, jac=DIFFERENCE):
    return fastgd.minimize(fun, x0, method="adam", learning_rate=RATE, gtol=0.0, maxiter=maxiter, batch_args=data,
                           jac=jac)


def in_lockstep(formula, x0, data=(), maxiter=MAXITER):
    """The same in plain NumPy: the points, the gradients and the values at the end."""
    columns = [np.moveaxis(array, 0, -1).copy() for array in data]
    x, step = x0.T.copy(), reference.adam()

    def fun(x):
        return formula(x, *columns)

    for _ in range(maxiter):
        x = step(x, reference.central_difference(fun, x, STEP), RATE)
    return x.T, reference.central_difference(fun, x, STEP).T, fun(x)


def check_gradients(found, expected, tolerance):
    error, size = np.abs(found - expected).max(axis=1), np.abs(expected).max(axis=1)
    assert (error / np.maximum(1.0, size)).max() <= tolerance


def check(result, expected, tolerance):
    """That all iterations were made and that all points, gradients and values are as expected.

    Gradients count relative to their largest component, and values relative to themselves, if those are above 1.
    """
    x, jac, fun = expected
    assert np.all(result.status == Status.MAXITER)
    assert np.abs(result.x - x).max() <= tolerance
    check_gradients(result.jac, jac, tolerance)
    assert (np.abs(result.fun - fun) / np.maximum(1.0, np.abs(fun))).max() <= tolerance


def details(n_evaluations, **seconds):
    """The nanoseconds of all sides, and how often the time of the first goes into that of the last."""
    first, *_, last = seconds.values()
    figures = ", ".join(f"{side} {1e9 * total / n_evaluations:.2f}" for side, total in seconds.items())
    print(f"{'':4}(nanoseconds per evaluation: {figures}; {last / first:.1f} times as fast)", flush=True)


def lockstep(name, formula, n_dim, quick, goals, make_data=None, tolerance=TOLERANCE, maxiter=MAXITER, rounds=3):
    """A jitted function beside the same function in lock-step; `goals` by whether libm is used."""
    x0 = starts(quick, n_dim)
    data = make_data(len(x0)) if make_data else ()
    expected = in_lockstep(formula, x0, data, maxiter)
    jitted = [fastgd.jit(formula, vectorized=True, libm=libm) for libm in goals]
    for fun in jitted:
        result = minimized(fun, x0, data, maxiter)
        check(result, expected, tolerance)
        assert fun.kind == "traced"
        assert np.all(result.nfev == 2 * n_dim * (maxiter + 1) + 1)
    *ours, theirs = best_seconds(*[lambda fun=fun: minimized(fun, x0, data, maxiter) for fun in jitted],
                                 lambda: in_lockstep(formula, x0, data, maxiter), rounds=1 if quick else rounds)
    for seconds, (libm, goal) in zip(ours, goals.items(), strict=True):
        report(f"{name}, d = {n_dim}{', libm' if libm else ''} / NumPy in lock-step", seconds / theirs, goal)
        details(x0.size * maxiter * 2, fastgd=seconds, NumPy=theirs)


def rosenbrock(n_dim, quick):
    """Rosenbrock's function in lock-step; with 100 dimensions, where NumPy takes minutes, one round only."""
    if n_dim == 100:
        lockstep("Rosenbrock", functions.rosenbrock.formula, n_dim, quick, {False: 1 / 250}, rounds=1,
                 tolerance=TOLERANCE_OF_LONG_SUM)
    else:
        lockstep("Rosenbrock", functions.rosenbrock.formula, n_dim, quick, {False: 1 / 22})


def elementary(name, formula, n_dim, quick, **options):
    """A function in lock-step, also with the elementary functions of the C library."""
    lockstep(name, formula, n_dim, quick, {False: 1 / 5, True: 1 / 2}, **options)


def use_one_processor():
    """For this process and its threads; before JAX is imported, which starts as many as there are processors."""
    os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def jax_programs(by_differences):
    """Two functions of all starting points that do the same in JAX: with vmap alone, and some problems after others.

    Of several ways to write the differences none was faster; the step is what `starts` allows.
    """
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_platforms", "cpu")

    def fun(x):
        return jnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)

    def differences(x):
        h = 2.0**-17
        return jax.lax.map(lambda i: (fun(x.at[i].add(h)) - fun(x.at[i].add(-h))) / (2.0 * h), jnp.arange(len(x)))

    slope = differences if by_differences else jax.grad(fun)

    def step(_, state):
        x, m, v, power1, power2 = state
        g = slope(x)
        power1, power2 = 0.9 * power1, 0.999 * power2
        m = m + (1.0 - 0.9) * (g - m)
        v = 0.999 * v + (1.0 - 0.999) * (g * g)
        return x - RATE / (1.0 - power1) * m / (jnp.sqrt(v) / jnp.sqrt(1.0 - power2) + 1e-8), m, v, power1, power2

    def program(x):
        zeros = jnp.zeros_like(x)
        x = jax.lax.fori_loop(0, MAXITER, step, (x, zeros, zeros, 1.0, 1.0))[0]
        return x, slope(x), fun(x)

    at_once = jax.jit(jax.vmap(program))
    in_chunks = jax.jit(lambda x0: jax.lax.map(program, x0, batch_size=256 if by_differences else 1024))
    return [lambda x0, run=run: jax.block_until_ready(run(x0)) for run in (at_once, in_chunks)]


def beside_jax(by_differences, quick):
    """Rosenbrock's function, jitted, beside JAX; the goal is for JAX's vmap of all problems at once."""
    slopes = "differences" if by_differences else "autodiff"
    if importlib.util.find_spec("jax") is None:
        print(f"Rosenbrock, d = 10 / JAX, {slopes}: skipped, because JAX is not installed")
        return
    use_one_processor()
    fun, x0 = fastgd.jit(functions.rosenbrock.formula, vectorized=True), starts(quick, 10)
    programs = jax_programs(by_differences)
    sides = {"differences": DIFFERENCE} if by_differences else {"differences": DIFFERENCE, "exact": "exact"}
    for run in programs:
        expected = list(map(np.asarray, run(x0)))  # which compiles it
        for jac in sides.values():
            check(minimized(fun, x0, jac=jac), expected,
                  1e-12 if jac == "exact" else TOLERANCE if by_differences else TOLERANCE_OF_FORMULA)
    assert fun.kind == "traced"
    *ours, at_once, in_chunks = best_seconds(
        *[lambda jac=jac: minimized(fun, x0, jac=jac) for jac in sides.values()],
        *[lambda run=run: run(x0) for run in programs], rounds=1 if quick else 5 if by_differences else 15)
    for side, seconds in zip(sides, ours, strict=True):
        what = f"Rosenbrock, d = 10, {side} / JAX, {slopes}"
        report(what, seconds / at_once, 1 / 20 if by_differences else 0.65)
        details(x0.size * MAXITER * 2, fastgd=seconds, JAX=at_once)
        report(f"{what}, in chunks", seconds / in_chunks)
        details(x0.size * MAXITER * 2, fastgd=seconds, JAX=in_chunks)


def compiling(name, formula, n_dim, goal, quick):
    """How long it takes to compile a function, in a process that has compiled nothing yet, and to load it again."""
    x = starts(True, n_dim)
    fun, again = (fastgd.jit(formula, vectorized=True) for _ in range(2))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NUMBA_CACHE_DIR"] = folder
        begin = time.perf_counter()
        gradients = fastgd.gradient(fun, x)
        first, compile_time = time.perf_counter() - begin, fun.compile_time
        assert np.array_equal(fastgd.gradient(again, x), gradients)
    check_gradients(gradients, reference.central_difference(formula, x.T).T, TOLERANCE)
    assert fun.kind == "traced"
    (second,) = best_seconds(lambda: fastgd.gradient(fun, x), rounds=1 if quick else 7)
    assert fun.compile_time == compile_time
    report(f"seconds to compile {name}, d = {n_dim}", compile_time, goal)
    print(f"{'':4}(the first call took {first - second:.3f} seconds more than the second; "
          f"with the machine code from its file {again.compile_time:.3f})")


def rosenbrocks_gradient(x):
    gradient = [Fraction(0)] * len(x)
    for i in range(len(x) - 1):
        height = x[i + 1] - x[i] ** 2
        gradient[i] += -400 * x[i] * height - 2 * (1 - x[i])
        gradient[i + 1] += 200 * height
    return gradient


def styblinski_tangs_gradient(x):
    return [2 * y**3 - 16 * y + Fraction(5, 2) for y in x]


def mean_error(gradients, exact):
    """The root of the mean square of all components, each relative to the largest of its point."""
    squares = [((Fraction(component) - e) / max(map(abs, slopes)))**2
               for row, slopes in zip(gradients.tolist(), exact, strict=True)
               for component, e in zip(row, slopes, strict=True)]
    return math.sqrt(sum(squares) / len(squares))


def accuracy(quick):
    """Errors of gradients, against exact fractions, of a traced function and of one that is called."""
    for function, gradient in ((functions.rosenbrock, rosenbrocks_gradient),
                               (functions.styblinski_tang, styblinski_tangs_gradient)):
        for n_dim in (2, 10, 100):
            x = starts(True, n_dim)[:16 if quick else None]
            exact = [gradient([Fraction(y) for y in row]) for row in x.tolist()]
            fun = fastgd.jit(function.formula, vectorized=True)
            ours = mean_error(fastgd.gradient(fun, x), exact)
            called = mean_error(fastgd.gradient(function.formula, x, vectorized=True), exact)
            assert fun.kind == "traced"
            assert max(ours, called) < 1e-7
            report(f"error of the gradient of {function.name}, d = {n_dim}: traced / called", ours / called, 1.0)
            print(f"{'':4}(relative errors: traced {ours:.2e}, called {called:.2e})")


COMPARISONS = {
    "rosenbrock-10": lambda quick: rosenbrock(10, quick),
    "rosenbrock-100": lambda quick: rosenbrock(100, quick),
    "jax-10": lambda quick: beside_jax(False, quick),
    "jax-differences-10": lambda quick: beside_jax(True, quick),
    "styblinski_tang": lambda quick: elementary("Styblinski-Tang", functions.styblinski_tang.formula, 10, quick),
    "rastrigin": lambda quick: elementary("Rastrigin", functions.rastrigin.formula, 10, quick),
    "ackley": lambda quick: elementary("Ackley", functions.ackley.formula, 10, quick, tolerance=TOLERANCE_OF_ACKLEY),
    "logistic": lambda quick: elementary("logistic loss", logistic, 4, quick, make_data=logistic_data),
    "decay": lambda quick: elementary("exponential decay", decay, 3, quick, make_data=decay_data),
    "compile-10": lambda quick: compiling("Rosenbrock", functions.rosenbrock.formula, 10, 1.0, quick),
    "compile-100": lambda quick: compiling("Rosenbrock", functions.rosenbrock.formula, 100, 6.0, quick),
    "compile-ackley-100": lambda quick: compiling("Ackley", functions.ackley.formula, 100, None, quick),
    "accuracy": accuracy,
}

if __name__ == "__main__":
    run_comparisons("bench.jit", __doc__, COMPARISONS)
