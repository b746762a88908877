"""What `python -m fastgd demo` shows: the same minimizations by fastgd and by plain NumPy."""

from time import perf_counter

import numpy as np

from ._minimize import minimize
from .difference import Difference

N_PROBLEMS = 500  # one by one, they take some seconds
ROUNDS = 3  # the best time of so many counts

#: The loops in NumPy take a fixed step, so that they stay short; a power of two, so that x + h and x - h are exact.
STEP = 2.0**-17
GTOL = 1e-6
#: Himmelblau's minima have Hessians with eigenvalues up to 134: a fixed rate must stay below 2 / 134 there. With the
#: slowest rate a problem needs about 50 times the iterations that it needs with the fastest.
RATES = (2e-4, 1e-2)
MAXITER = 100_000  # out of the way: the slowest problem needs a few thousand
#: Answers whose gradients are below GTOL lie closer to each other than this.
TOLERANCE = 1e-6


def himmelblau(x):
    """D. M. Himmelblau, "Applied Nonlinear Programming", 1972: four minima, at each of which it is 0."""
    return (x[0]**2 + x[1] - 11)**2 + (x[0] + x[1]**2 - 7)**2


def lockstep(fun, x0, learning_rate):
    """Gradient descent on all problems at once: every iteration computes all of them until the last has converged."""
    x = x0.T.copy()  # a column for each problem
    gradient = np.empty_like(x)
    running = np.ones(len(x0), dtype=bool)
    while running.any():
        for row, slope in zip(x, gradient, strict=True):
            middle = row.copy()
            row += STEP
            above = fun(x)
            np.subtract(middle, STEP, out=row)
            below = fun(x)
            row[:] = middle
            np.divide(above - below, 2 * STEP, out=slope)
        running = np.abs(gradient).max(axis=0) > GTOL
        x -= np.where(running, learning_rate * gradient, 0.0)
    return x.T


def one_by_one(fun, x0, learning_rate):
    """Gradient descent on one problem after the other."""
    answers = x0.copy()
    gradient = np.empty(x0.shape[1])
    for x, rate in zip(answers, learning_rate, strict=True):
        while True:
            for i, middle in enumerate(x.tolist()):
                x[i] = middle + STEP
                above = fun(x)
                x[i] = middle - STEP
                below = fun(x)
                x[i] = middle
                gradient[i] = (above - below) / (2 * STEP)
            if np.abs(gradient).max() <= GTOL:
                break
            x -= rate * gradient
    return answers


def timed(function, *arguments, rounds=ROUNDS):
    """What a function returns, and its best time in seconds."""
    seconds = np.inf
    for _ in range(rounds):
        begin = perf_counter()
        answer = function(*arguments)
        seconds = min(seconds, perf_counter() - begin)
    return answer, seconds


def farthest(x, y):
    """The largest distance between two sets of answers in a coordinate; ends the program if it is too large."""
    distance = np.abs(x - y).max()
    if not distance <= TOLERANCE:
        raise SystemExit(f"the answers differ by {distance:g}: please report this")
    return distance


def run(n_problems=N_PROBLEMS):
    """Solves, compares and prints."""
    rng = np.random.default_rng(0)
    x0 = rng.uniform(-5.0, 5.0, (n_problems, 2))
    rates = np.exp(rng.uniform(*np.log(RATES), n_problems))

    print(f"Himmelblau's function, {n_problems} random starts, a learning rate for each from {RATES[0]:g} to "
          f"{RATES[1]:g}:\ngradient descent on central differences, until no slope exceeds {GTOL:g}.\n")
    result, ours = timed(lambda: minimize(himmelblau, x0, vectorized=True, learning_rate=rates, gtol=GTOL,
                                          maxiter=MAXITER, jac=Difference(step=STEP)))
    print(result, "\n")
    if not result.success.all():
        raise SystemExit("not every problem has converged: please report this")
    together, lockstep_seconds = timed(lockstep, himmelblau, x0, rates)
    single, single_seconds = timed(one_by_one, himmelblau, x0, rates, rounds=1)
    differences = farthest(result.x, together), farthest(result.x, single)
    print_times([
        ("fastgd", ours),
        ("NumPy, all problems in lock-step", lockstep_seconds),
        ("NumPy, one problem after the other", single_seconds),
    ])
    print(f"\nAll three agree: no x differs from fastgd's by more than {differences[0]:.1g} (in lock-step) and "
          f"{differences[1]:.1g} (one by one).\nIn lock-step every problem takes the {result.nit.max()} iterations of "
          f"the slowest; on average one needs {result.nit.mean():.0f}.")


def print_times(rows):
    """A line for each way, the first of which the others are compared with."""
    print(f"{'':<36}{'ms':>10}{'ratio':>9}")
    for name, seconds in rows:
        print(f"{name:<36}{1e3 * seconds:>10.1f}{seconds / rows[0][1]:>9.1f}")
