"""`fastgd bench`: times of fastgd, NumPy and SciPy on this machine."""

import numpy as np

from .._minimize import minimize
from ..difference import Difference
from . import add_command, baselines
from .baselines import GTOL, STEP, TOLERANCE, himmelblau
from .demo import MAXITER, farthest
from .timing import print_times, timed

ROUNDS = 3  # the best time of so many counts
N_LOCKSTEP = 2_000  # problems beside NumPy in lock-step
DIMENSIONS = (2, 10)
N_FAST = 2_000  # problems of functions that are called with many points, or compiled
N_SLOW = 50  # the first of them, for functions of one point, which take much longer
#: Slopes that differences find to be GTOL can be that much more in truth.
LARGEST_SLOPE = 10 * GTOL


def add_to(commands):
    add_command(
        commands, "bench", run, "time fastgd beside NumPy and SciPy on this machine (two minutes at most)",
        "Minimizes the same problems by fastgd (by a function of one point, a vectorized and a jitted one), by\n"
        "plain NumPy in lock-step, and by a loop over SciPy's minimize, all in one thread and to the same\n"
        "tolerance. Checks the answers and prints the best of several rounds, in which the sides take turns.\n"
        "What is not installed is skipped.",
        "example:\n  fastgd bench")


def run(options):
    print(f"Times for each problem, in microseconds: the best of {ROUNDS} rounds, one thread. All sides stop when no "
          f"slope,\nby central differences, exceeds {GTOL:g}. The ratio is the time by that of the first line.\n")
    compare_lockstep()
    for n_dim in DIMENSIONS:
        print(flush=True)
        compare_with_scipy(n_dim)
    if not has_numba():
        print('\nnumba is not installed, jitted functions are skipped: pip install "fastgd[jit]"')
    if baselines.scipy_minimize() is None:
        print("\nSciPy is not installed, its loop is skipped: pip install scipy")


def has_numba():
    from importlib.util import find_spec

    return find_spec("numba") is not None


def compare_lockstep():
    """Gradient descent with the same rates on both sides, which take the same iterations."""
    x0, rates = baselines.himmelblau_problems(N_LOCKSTEP)
    options = {"learning_rate": rates, "gtol": GTOL, "maxiter": MAXITER, "jac": Difference(step=STEP)}
    ways = {"fastgd, vectorized function": lambda: minimize(himmelblau, x0, vectorized=True, **options).x,
            "NumPy in lock-step": lambda: baselines.lockstep(himmelblau, x0, rates)}
    if has_numba():
        compiled = jitted(himmelblau, x0)
        ways["fastgd, jitted function"] = lambda: minimize(compiled, x0, **options).x
    print(f"Gradient descent at given rates: Himmelblau's function, {len(x0)} problems", flush=True)
    answers, seconds = timed(*ways.values(), rounds=ROUNDS)
    print_times([(name, of_one / len(x0)) for name, of_one in zip(ways, seconds, strict=True)], "us/problem", 1e6)
    distance = max(farthest(answers[0], x) for x in answers[1:])
    print(f"No answer differs from another by more than {distance:.1g} (allowed: {TOLERANCE:g}).")


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1]**2)**2 + (1.0 - x[:-1])**2, axis=0)


def rosenbrock_slopes(x):
    """The gradient in closed form: what all answers are checked with."""
    slopes = np.zeros_like(x)
    rise = x[1:] - x[:-1]**2
    slopes[:-1] = -400.0 * x[:-1] * rise - 2.0 * (1.0 - x[:-1])
    slopes[1:] += 200.0 * rise
    return slopes


def compare_with_scipy(n_dim):
    """BFGS on both sides."""
    x0 = np.random.default_rng(0).uniform(-2.0, 2.0, (N_FAST, n_dim))
    first = x0[:N_SLOW]
    ways = {"fastgd, vectorized function": lambda: minimize(rosenbrock, x0, vectorized=True, gtol=GTOL).x}
    if has_numba():
        compiled = jitted(rosenbrock, x0)
        ways["fastgd, jitted function"] = lambda: minimize(compiled, x0, gtol=GTOL).x
    ways["fastgd, function of one point"] = lambda: minimize(rosenbrock, first, gtol=GTOL).x
    ways["fastgd, the same, a call for each problem"] = lambda: np.array(
        [minimize(rosenbrock, x, gtol=GTOL).x for x in first])
    if baselines.scipy_minimize() is not None:
        ways["SciPy's minimize in a loop"] = lambda: baselines.scipy_loop(rosenbrock, first)
    print(f"BFGS: Rosenbrock's function of {n_dim} variables, {len(x0)} starts "
          f"({len(first)} of them for functions of one point)", flush=True)
    answers, seconds = timed(*ways.values(), rounds=ROUNDS)
    print_times([(name, of_one / len(x)) for name, of_one, x in zip(ways, seconds, answers, strict=True)],
                "us/problem", 1e6)
    slope = max(np.abs(rosenbrock_slopes(x.T)).max() for x in answers)
    if not slope <= LARGEST_SLOPE:
        raise SystemExit(f"an answer has a slope of {slope:g}: please report this")
    print(f"No answer has a larger slope, computed exactly, than {slope:.1g} (allowed: {LARGEST_SLOPE:g}).")


def jitted(fun, x0):
    """The function compiled, which is not part of the time: once for each number of variables."""
    from .._jit.jitted import jit

    compiled = jit(fun)
    minimize(compiled, x0[:2], maxiter=1)
    return compiled
