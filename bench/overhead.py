"""What fastgd adds to the cost of a Python objective, and what it saves against NumPy in lock-step.

``python -m bench.overhead`` runs every comparison in a fresh process and prints a ratio beside its goal. Each checks
that both sides computed the same. ``--quick`` runs each once on small sizes, for the checks alone; names of
comparisons (see ``--help``) run only those.
"""

import itertools
import os
import subprocess
import sys

import numpy as np

import fastgd
from bench.timing import best_seconds, report, run_comparisons
from tests import reference


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2, axis=0)


def rosenbrock_2d(x):
    return 100.0 * (x[1] - x[0] ** 2) ** 2 + (1.0 - x[0]) ** 2


def starts(n_problems, n_dim):
    return np.random.default_rng(0).uniform(-1.0, 1.0, (n_problems, n_dim))


def call_times(function, x, n):
    for _ in itertools.repeat(None, n):
        function(x)


def call_at(function, points, n):
    for x in (points * (n // len(points) + 1))[:n]:
        function(x)


def visited(x0, options):
    """Where the first iterations evaluate the function: as many points as stay in the cache."""
    points = []

    def function(x):
        points.append(x.copy())
        return rosenbrock_2d(x)

    fastgd.minimize(function, x0[:2] if x0.ndim > 1 else x0, gtol=0.0, maxiter=12, **options)
    return points[:50]


def check(result, fun):
    """That the values are those of the function, and that every evaluation of every iteration was counted."""
    n_dim = result.x.shape[-1]
    assert np.allclose(result.fun, fun(result.x.T), rtol=1e-12)
    assert np.all(result.nfev >= 2 * n_dim * (result.nit + 1))


def pointwise(quick, name="gd", **options):
    """A Python function of one point, beside bare calls at the points of the run: at a single point, again and again,
    the processor foresees every branch."""
    maxiter = 50 if quick else 5000
    x0 = np.array([-0.5, 0.5])
    if name == "auto":  # which needs some hundred iterations: enough problems for several thousand
        x0 = starts(3 if quick else 40, 2)

    def run():
        return fastgd.minimize(rosenbrock_2d, x0, gtol=0.0, maxiter=maxiter, **options)

    result = run()
    check(result, rosenbrock_2d)
    points, n_evaluations = visited(x0, options), int(np.sum(result.nfev))
    if name == "gd":
        twin = reference.minimize(lambda x: np.array([rosenbrock_2d(x[:, 0])]), x0[:, None], gtol=0.0,
                                  maxiter=maxiter, **options)
        assert np.array_equal(result.x, twin.x[:, 0])
    ours, bare = best_seconds(run, lambda: call_at(rosenbrock_2d, points, n_evaluations), rounds=1 if quick else 40)
    report(f"pointwise, {name}, d = 2, {np.sum(result.nit)} iterations / bare calls", ours / bare, 1.10)
    print(f"{'':4}({1e9 * bare / n_evaluations:.0f} ns a bare call)")


def gradient(n_dim, quick):
    """fastgd.gradient beside the bare calls and beside SciPy's approx_derivative."""
    from scipy.optimize._numdiff import approx_derivative

    def scipys(x):
        return approx_derivative(function, x, method="3-point")

    def ours(x):
        return fastgd.gradient(function, x)

    repeats = 3 if quick else 2000
    function = rosenbrock_2d if n_dim == 2 else rosenbrock
    x = starts(1, n_dim)[0]
    assert np.allclose(ours(x), scipys(x), rtol=1e-6)
    ours, scipys, bare = (1e6 * seconds / repeats for seconds in best_seconds(
        lambda: call_times(ours, x, repeats), lambda: call_times(scipys, x, repeats),
        lambda: call_times(function, x, 2 * n_dim * repeats), rounds=1 if quick else 9))
    report(f"gradient, d = {n_dim} / (1.1 bare calls + 4 us)", ours / (1.1 * bare + 4.0), 1.0)
    report(f"gradient, d = {n_dim}: overhead / that of approx_derivative", (ours - bare) / (scipys - bare), 0.1)
    print(f"{'':4}(microseconds: fastgd {ours:.1f}, SciPy {scipys:.1f}, {2 * n_dim} bare calls {bare:.1f})")


def best_width(n_dim, quick):
    """The block width at which the objective alone takes least per point."""
    widths = (256, 1024) if quick else (128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768)
    blocks = [starts(width, n_dim).T.copy() for width in widths]
    n_points = 1 << 16
    seconds = best_seconds(*[lambda x=x: call_times(rosenbrock, x, n_points // x.shape[1]) for x in blocks],
                           rounds=1 if quick else 9)
    return widths[seconds.index(min(seconds))]


def vectorized(n_dim, quick, name="gd", **options):
    """A NumPy objective beside the objective's own cost at its best width."""
    x0 = starts(512 if quick else min(16384, 200_000 // n_dim), n_dim)
    maxiter = 3 if quick else max(4, 200 // n_dim)

    def run():
        return fastgd.minimize(rosenbrock, x0, vectorized=True, gtol=0.0, maxiter=maxiter, **options)

    result = run()
    check(result, rosenbrock)
    if name == "gd":
        twin = reference.minimize(rosenbrock, x0.T, gtol=0.0, maxiter=maxiter, **options)
        assert np.array_equal(result.x, twin.x.T)
    width = best_width(n_dim, quick)
    block = starts(width, n_dim).T.copy()
    n_calls = result.nfev.sum() / width
    ours, alone = best_seconds(run, lambda: call_times(rosenbrock, block, int(n_calls)), rounds=1 if quick else 15)
    report(f"vectorized, {name}, d = {n_dim} / the objective alone (best width {width})",
           ours / (alone * n_calls / int(n_calls)), 1.15)


def lockstep(n_problems, n_dim, goal, quick):
    """A NumPy objective beside the same work in lock-step."""
    n_problems = 500 if quick else n_problems
    x0 = starts(n_problems, n_dim)
    columns = x0.T.copy()
    maxiter = 2 if n_problems * n_dim > 10**6 else 20
    options = {"learning_rate": 1e-4, "gtol": 0.0, "maxiter": maxiter}

    def ours():
        return fastgd.minimize(rosenbrock, x0, vectorized=True, **options)

    def theirs():
        return reference.minimize(rosenbrock, columns, **options)

    assert np.array_equal(ours().x, theirs().x.T)
    ours, theirs = best_seconds(ours, theirs, rounds=1 if quick else 3)
    report(f"{n_problems} problems, d = {n_dim} / lock-step NumPy", ours / theirs, goal)


def stragglers(quick):
    """1 percent of the problems need 100 times the iterations."""
    n_problems = 512 if quick else 16384
    x0 = starts(n_problems, 4) + 2.0
    rate = np.where(np.arange(n_problems) % 100 == 50, 0.0058, 0.36)

    def sphere(x):
        return np.sum(x * x, axis=0)

    def ours():
        return fastgd.minimize(sphere, x0, vectorized=True, learning_rate=rate, maxiter=20000)

    def theirs():
        return reference.minimize(sphere, x0.T, learning_rate=rate, maxiter=20000)

    result, twin = ours(), theirs()
    assert np.array_equal(result.x, twin.x.T)
    assert np.array_equal(result.nit, twin.nit)
    ours, theirs = best_seconds(ours, theirs, rounds=1 if quick else 2)
    iterations = result.nit[rate < 0.1].mean() / result.nit[rate > 0.1].mean()
    report(f"1 percent stragglers at {iterations:.0f} times / lock-step NumPy", ours / theirs, 0.2)


def single(quick):
    """One problem of 100 dimensions with a NumPy objective."""
    x0 = starts(1, 100)[0]
    maxiter = 5 if quick else 500
    stencil = np.repeat(x0[:, None], 200, axis=1)

    def run():
        return fastgd.minimize(rosenbrock, x0, vectorized=True, learning_rate=1e-4, gtol=0.0, maxiter=maxiter)

    result = run()
    twin = reference.minimize(rosenbrock, x0[:, None], learning_rate=1e-4, gtol=0.0, maxiter=maxiter)
    assert np.allclose(result.x, twin.x[:, 0], rtol=1e-12)
    ours, bare = best_seconds(run, lambda: call_times(rosenbrock, stencil, maxiter + 1), rounds=1 if quick else 15)
    report("one vectorized problem, d = 100 / calls on its 200 points", ours / bare, 1.2)


def importing(quick):
    """`import fastgd` after `import numpy` in a new process, compiled to bytecode before, as installing does."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    program = "import numpy, time; t = time.perf_counter(); import fastgd; print(time.perf_counter() - t)"

    def seconds_of_import():
        return float(subprocess.run([sys.executable, "-c", program], check=True, env=environment,
                                    capture_output=True).stdout)

    seconds = [seconds_of_import() for _ in range(2 if quick else 16)]
    report("import fastgd - import numpy, of 20 ms", min(seconds) / 20e-3, None if quick else 1.0)


COMPARISONS = {
    "pointwise": lambda quick: pointwise(quick, learning_rate=1e-3),
    "pointwise-adam": lambda quick: pointwise(quick, "adam", method="adam"),
    "pointwise-auto": lambda quick: pointwise(quick, "auto", learning_rate="auto"),
    "gradient-2": lambda quick: gradient(2, quick),
    "gradient-10": lambda quick: gradient(10, quick),
    "vectorized-4": lambda quick: vectorized(4, quick, learning_rate=1e-4),
    "vectorized-10": lambda quick: vectorized(10, quick, learning_rate=1e-4),
    "vectorized-10-adam": lambda quick: vectorized(10, quick, "adam", method="adam"),
    "vectorized-10-auto": lambda quick: vectorized(10, quick, "auto", learning_rate="auto"),
    "vectorized-100": lambda quick: vectorized(100, quick, learning_rate=1e-4),
    "lockstep-4": lambda quick: lockstep(10**6, 4, 0.5, quick),
    "lockstep-10": lambda quick: lockstep(10**6, 10, 0.5, quick),
    "lockstep-100-16384": lambda quick: lockstep(16384, 100, 0.65, quick),
    "lockstep-10-16384": lambda quick: lockstep(16384, 10, 1.15, quick),
    "stragglers": stragglers,
    "single": single,
    "import": importing,
}


if __name__ == "__main__":
    run_comparisons("bench.overhead", __doc__, COMPARISONS)
