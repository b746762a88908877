"""`fastgd demo`: the same minimizations by fastgd, by plain NumPy and by SciPy."""

import numpy as np

from .._minimize import minimize
from ..difference import Difference
from . import add_command, baselines, pictures
from .baselines import GTOL, RATES, STEP, TOLERANCE, himmelblau
from .timing import print_times, timed

N_PROBLEMS = 500  # one by one, they take some seconds
ROUNDS = 3  # the best time of so many counts
MAXITER = 100_000  # out of the way: the slowest problem needs a few thousand


def add_to(commands):
    parser = add_command(
        commands, "demo", run, "see what fastgd does, beside NumPy and SciPy (ten seconds)",
        "Minimizes some hundred problems by fastgd, by plain NumPy and by a loop over SciPy's minimize,\n"
        "checks that the answers agree, and prints the times.",
        'examples:\n  fastgd demo\n  fastgd demo --plot demo.png')
    pictures.add_option(parser, "draw the function, the starts and the minima that they reach (needs matplotlib)")


def run(options):
    """Solves, compares, prints and draws."""
    pictures.check(options.plot)
    x0, rates = baselines.himmelblau_problems(N_PROBLEMS)
    compare_fixed_rates(x0, rates)
    print()
    answers = compare_default_method(x0)
    if options.plot:
        pictures.draw_basins(options.plot, himmelblau, x0, answers, minima())


def compare_fixed_rates(x0, rates):
    """Gradient descent with the same rates: fastgd beside two loops in NumPy."""
    print(f"Himmelblau's function, {len(x0)} random starts, a learning rate for each from {RATES[0]:g} to "
          f"{RATES[1]:g}:\ngradient descent on central differences, until no slope exceeds {GTOL:g}.\n")
    (result, together), (ours, lockstep_seconds) = timed(
        lambda: minimize(himmelblau, x0, vectorized=True, learning_rate=rates, gtol=GTOL, maxiter=MAXITER,
                         jac=Difference(step=STEP)),
        lambda: baselines.lockstep(himmelblau, x0, rates), rounds=ROUNDS)
    print(result, "\n", flush=True)
    require_success(result)
    [single], [single_seconds] = timed(lambda: baselines.one_by_one(himmelblau, x0, rates), rounds=1)
    differences = farthest(result.x, together), farthest(result.x, single)
    print_times([
        ("fastgd", ours),
        ("NumPy, all problems in lock-step", lockstep_seconds),
        ("NumPy, one problem after the other", single_seconds),
    ])
    print(f"\nAll three agree: no x differs from fastgd's by more than {differences[0]:.1g} (in lock-step) and "
          f"{differences[1]:.1g} (one by one).\nIn lock-step every problem takes the {result.nit.max()} iterations of "
          f"the slowest; on average one needs {result.nit.mean():.0f}.", flush=True)


def compare_default_method(x0):
    """BFGS, which needs no learning rate: fastgd beside SciPy. Returns fastgd's answers."""
    print("The same starts by the default method, BFGS, which needs no learning rate, to the same tolerance.\n")
    (result, pointwise), (ours, pointwise_seconds) = timed(
        lambda: minimize(himmelblau, x0, vectorized=True, gtol=GTOL),
        lambda: minimize(himmelblau, x0, gtol=GTOL), rounds=ROUNDS)
    require_success(result)
    require_success(pointwise)
    rows = [("fastgd, vectorized function", ours), ("fastgd, function of one point", pointwise_seconds)]
    reached = nearest_minimum(result.x)
    nearest_minimum(pointwise.x)
    verdict = "Every answer is one of the four minima"
    if baselines.scipy_minimize() is None:
        verdict += ".\nSciPy is not installed: its loop is skipped"
    else:
        [scipys], [scipy_seconds] = timed(lambda: baselines.scipy_loop(himmelblau, x0), rounds=1)
        rows.append(("SciPy's minimize in a loop, also BFGS", scipy_seconds))
        same = np.count_nonzero(reached == nearest_minimum(scipys))
        verdict += f"; from {same} of {len(x0)} starts SciPy reaches the same one as fastgd"
    print_times(rows)
    print(f"\n{verdict}.")
    return reached


def require_success(result):
    if not result.success.all():
        raise SystemExit("not every problem has converged: please report this")


def farthest(x, y):
    """The largest distance between two sets of answers in a coordinate; ends the program if it is too large."""
    distance = np.abs(x - y).max()
    if not distance <= TOLERANCE:
        raise SystemExit(f"the answers differ by {distance:g}: please report this")
    return distance


def minima():
    from ..functions import himmelblau as known

    return known.minimizers()


def nearest_minimum(x):
    """The number of the minimum that each answer is; ends the program if one is none of them."""
    distances = np.abs(x[:, None] - minima()).max(axis=2)
    distance = distances.min(axis=1).max()
    if not distance <= TOLERANCE:
        raise SystemExit(f"an answer is {distance:g} away from all minima: please report this")
    return distances.argmin(axis=1)
