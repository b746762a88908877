"""Evaluations and time until problems are solved, beside SciPy, optimistix and jaxopt.

``python -m bench.solution`` minimizes the same problems by the methods of fastgd and by others and prints figures,
most of them ratios beside their goals. Every comparison runs in a fresh process and checks its answers; ``jax`` is
skipped where the libraries are not installed. ``--quick`` runs each once on few problems, for the checks alone; names
of comparisons (see ``--help``) run only those:

- ``functions`` and ``mgh`` count evaluations, on `fastgd.functions` from 20 random starts each and on the problems of
  Moré, Garbow and Hillstrom;
- ``profile`` prints data profiles of both: the share of the problems solved within k (n_dim + 1) evaluations.
  ``python -m bench.solution profile --picture solution.png`` also draws them, with matplotlib;
- the others take Rosenbrock's function from random starts in [-2, 2]: ``jit``, ``numpy`` and ``python`` by differences,
  ``jax`` by exact derivatives; ``batch`` for more and more problems, ``dimensions`` for more and more variables.

A problem counts only if all sides of a ratio solve it to the same value, so that nobody is charged for problems left
unsolved, or for the way to another minimum. Times are those of the processor, in one thread.

J. J. Moré, S. M. Wild, Benchmarking derivative-free optimization algorithms, SIAM Journal on Optimization 20, 172-191,
2009.
"""

import argparse
import contextlib
import importlib.util
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from itertools import count

import numpy as np

import fastgd
from bench import robustness
from bench.jit import use_one_processor
from bench.problems import PROBLEMS
from bench.timing import report, run_comparisons
from fastgd import Status

MAXITER = 20_000
OURS = ("bfgs", "lbfgs", "newton", "gd")
SCIPY = {"SciPy BFGS": "BFGS", "SciPy L-BFGS-B": "L-BFGS-B"}
SIDES = (*OURS, *SCIPY)
BUDGETS = (10, 20, 50, 100, 200, 500, 1000, 2000)  # evaluations / (n_dim + 1)
QUICK_MGH = ("rosenbrock_2", "freudenstein_roth_2", "box_3", "linear_full_rank_10")


# Evaluations


@dataclass
class Instance:
    """A function, a start, and the verdict on an end: the answer, its value, and whether the run ended by itself."""

    name: str
    fun: Callable
    x0: np.ndarray
    tolerance: float  # values that differ by less are those of one minimum
    verdict: Callable  # "minimum", "other minimum" with its value where it is known, or "unsolved"


def instances_of_functions(quick):
    """The problems of bench.robustness, with its verdict: the minimum, or another stationary point."""
    def verdict(problem, x0, tolerance, x, value, ended):
        if not (ended and problem.solves(x, x0)):
            return "unsolved"
        return "minimum" if value - problem.minimum <= tolerance else "other minimum"

    for problem in robustness.problems(quick, 2 if quick else 20):
        for x0 in problem.starts:
            tolerance = 1e-8 * (problem.value(x0) - problem.minimum) + 1e-15 * abs(problem.minimum)
            yield Instance(problem.name, problem.function, x0, tolerance, partial(verdict, problem, x0, tolerance))


def instances_of_mgh(quick):
    """With the tolerance of Moré and Wild: the value of a known minimum, however the run ended."""
    def verdict(problem, tolerance, x, value, ended):
        assert not value < problem.minimum - tolerance, f"{problem.name} has a lower minimum: {value!r}"
        if value <= problem.minimum + tolerance:
            return "minimum"
        return next((f"other minimum {known:.6g}" for known in problem.other_minima if abs(value - known) <= tolerance),
                    "unsolved")

    for problem in PROBLEMS:
        if not quick or problem.name in QUICK_MGH:
            tolerance = 1e-6 * (problem.value(problem.start) - problem.minimum)
            yield Instance(problem.name, problem.value, problem.start, tolerance, partial(verdict, problem, tolerance))


SETS = {"fastgd.functions": instances_of_functions, "MGH": instances_of_mgh}


def by_scipy(fun, x0, side):
    from scipy.optimize import minimize

    options = {"gtol": 1e-6, "maxiter": MAXITER, **robustness.SCIPY[SCIPY[side]]}
    return minimize(fun, x0, method=SCIPY[side], jac="3-point", options=options)


def minimized(fun, x0, side):
    """SciPy's or fastgd's result for a function of a point, and whether the run ended by itself."""
    if side in SCIPY:
        result = by_scipy(fun, x0, side)
        return result, result.status in robustness.SCIPY_ENDED
    result = fastgd.minimize(fun, x0, method=side, maxiter=MAXITER)
    return result, result.success or result.status == Status.STALLED


def evaluations(name, quick):
    """Until runs end by themselves, with gtol = 1e-6."""
    instances, runs = list(SETS[name](quick)), {}
    for side in SIDES:
        with np.errstate(all="ignore"):  # steps that are too long overflow
            ends = [minimized(instance.fun, instance.x0, side) for instance in instances]
            verdicts = [instance.verdict(result.x, result.fun, ended)
                        for instance, (result, ended) in zip(instances, ends, strict=True)]
        values, nfev = np.array([(result.fun, result.nfev) for result, _ in ends]).T
        runs[side] = values, nfev, np.array(verdicts) != "unsolved"
        print(f"    {name}, {side}: solved {np.mean(runs[side][-1]):.1%}, evaluations: median {np.median(nfev):.0f}, "
              f"all {nfev.sum():,.0f}", flush=True)
        notes = Counter(f"{instance.name} {verdict}" for instance, verdict in zip(instances, verdicts, strict=True)
                        if verdict not in ("minimum", "other minimum"))
        print("".join(f"{'':8}{note}{f', {n} times' if n > 1 else ''}\n" for note, n in notes.items()), end="")
    tolerances = np.array([instance.tolerance for instance in instances])
    for ours in ("bfgs", "lbfgs"):
        for theirs, goal in (("SciPy BFGS", 1.0), ("SciPy L-BFGS-B", 1.0), ("gd", 0.75)):
            values, nfev, solved = zip(runs[ours], runs[theirs], strict=True)
            same = solved[0] & solved[1] & (np.abs(values[0] - values[1]) <= tolerances)
            assert np.mean(same) > 0.5
            report(f"{name}: {ours} / {theirs}, {same.sum()} of {len(same)}",
                   np.exp(np.mean(np.log(nfev[0][same] / nfev[1][same]))), goal)
        best = max(runs[side][-1].sum() for side in SCIPY)
        report(f"{name}: solved by SciPy's better one / by {ours}", best / runs[ours][-1].sum(), 1.0)


# Data profiles


class BudgetError(Exception):
    """The evaluations are used up."""


def history(instance, side):
    """The number of the call and the value wherever this is lower than before, until the budget is used up."""
    improvements, numbers = [], count(1)

    def recorded(x):
        number, value = next(numbers), instance.fun(x)
        if number > BUDGETS[-1] * (len(x) + 1):
            raise BudgetError
        if not improvements or value < improvements[-1][1]:
            improvements.append((number, value))
        return value

    with contextlib.suppress(BudgetError), np.errstate(all="ignore"):
        minimized(recorded, instance.x0, side)
    return improvements


def evaluations_needed(instances, tolerance, histories):
    """Of every side for every instance, in units of n_dim + 1: until only this share is left of the descent from the
    start to the lowest value that a side found; inf if more is left at the end."""
    needed = {side: np.full(len(instances), np.inf) for side in histories}
    for i, instance in enumerate(instances):
        start, lowest = instance.fun(instance.x0), min(of_side[i][-1][1] for of_side in histories.values())
        for side, of_side in histories.items():
            calls = [number for number, value in of_side[i] if value - lowest <= tolerance * (start - lowest)]
            if calls:
                needed[side][i] = calls[0] / (len(instance.x0) + 1)
    return needed


def profile(quick, picture=None):
    curves = {}
    for name, make in SETS.items():
        instances = list(make(quick))
        histories = {side: [history(instance, side) for instance in instances] for side in SIDES}
        for tolerance in (1e-3, 1e-6):
            title = f"{name}, tolerance {tolerance:.0e}"
            curves[title] = needed = evaluations_needed(instances, tolerance, histories)
            print(f"{title + ': solved within k (n_dim + 1), k =':<62}" + "".join(f"{k:>6}" for k in BUDGETS))
            for side, of_side in needed.items():
                print(f"{'':4}{side:<58}" + "".join(f"{np.mean(of_side <= k):6.2f}" for k in BUDGETS), flush=True)
            assert np.mean(needed["bfgs"] <= BUDGETS[-1]) > 0.5
    if picture:
        draw(curves, picture)


def draw(curves, picture):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(11, 8), sharex=True, sharey=True, layout="constrained")
    for axis, (title, needed) in zip(axes.flat, curves.items(), strict=True):
        fastgd.plot.data_profile(needed, ax=axis)
        for line in axis.lines:
            line.set_linestyle("--" if line.get_label() in SCIPY else "-")
        axis.legend()
        axis.set(title=title, xlim=(2, BUDGETS[-1]), xlabel="evaluations / (n_dim + 1)")
        axis.grid(alpha=0.3)
        axis.label_outer()
    figure.savefig(picture, dpi=150)


# Times. A side is a function of points (n_problems, n_dim): the answers, and the evaluations of each or None


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2, axis=0)


def starts(n_problems, n_dim):
    return np.random.default_rng(0).uniform(-2.0, 2.0, (n_problems, n_dim))


def by_fastgd(method, fun, **options):
    def run(x0):
        result = fastgd.minimize(fun, x0, method=method, maxiter=MAXITER, **options)
        return result.x, result.nfev + (result.njev if "jac" in options else 0)

    return run


def by_loop(side):
    def run(x0):
        results = [by_scipy(rosenbrock, x, side) for x in x0]
        return np.array([result.x for result in results]), np.array([result.nfev for result in results])

    return run


def cpu_seconds(runs, rounds):
    """The shortest time of each function. They take turns, in which short ones are called again and again."""
    def turn(run):
        marks = [time.process_time()]
        while len(marks) < 2 or (rounds > 1 and marks[-1] < marks[0] + 0.3):
            run()
            marks.append(time.process_time())
        return min(np.diff(marks))

    return np.min([[turn(run) for run in runs] for _ in range(rounds)], axis=0)


@cache
def known_values(n_dim):
    """Of Rosenbrock's function at its minimum and, from four variables on, at the other one near (-1, 1, ..., 1)."""
    beside = np.array([-1.0] + [1.0] * (n_dim - 1))
    return (0.0, by_scipy(rosenbrock, beside, "SciPy BFGS").fun) if n_dim >= 4 else (0.0,)


def found_minimum(x, x0):
    """The place among the known values of that of each answer, -1 if it is none of them."""
    values, tolerances = rosenbrock(x.T), 1e-8 * rosenbrock(x0.T)
    found = np.array([np.abs(values - known) <= tolerances for known in known_values(x0.shape[1])])
    return np.where(found.any(axis=0), found.argmax(axis=0), -1)


def seconds_per_problem(what, n_problems, n_dim, sides, rounds, few=()):
    """Of each side, with which a table is printed.

    Of twice as many candidates those are timed that all sides solve to the same value. `few` are sides that are too
    slow for all of them, and how many candidates they get.
    """
    candidates, few = starts(2 * n_problems, n_dim), dict(few)
    common, answers, seconds = np.full(len(candidates), -1), {}, {}
    for side, run in sides.items():
        x0 = candidates[:few.get(side)]
        x, nfev = run(x0)
        found, part = found_minimum(x, x0), common[:len(x0)]
        part[:] = np.where(found == part, part, -1) if answers else found
        answers[side] = np.mean(found >= 0), nfev
    kept = np.flatnonzero(common >= 0)[:n_problems]
    assert len(kept) > 0.4 * n_problems
    rows = {side: kept[kept < few.get(side, len(candidates))] for side in sides}
    best = cpu_seconds([partial(run, candidates[rows[side]]) for side, run in sides.items()], rounds)
    for (side, (solved, nfev)), total in zip(answers.items(), best, strict=True):
        seconds[side] = total / len(rows[side])
        print(f"    {f'{what}, d = {n_dim}, {side}':<40}{1e6 * seconds[side]:11.2f} us for each of{len(rows[side]):5}, "
              f"solves {solved:4.0%}" + ("" if nfev is None else f"{nfev[rows[side]].mean():10.1f} evaluations"),
              flush=True)
    return seconds


def by_differences(what, goals, n_problems, quick, **options):
    """A jitted function, beside SciPy's loop over a function of a point, or a function that is called."""
    use_one_processor()
    for n_dim, goal in list(goals.items())[:1 if quick else None]:
        is_jit = what == "jit"
        fun = fastgd.jit(rosenbrock) if is_jit else rosenbrock
        few = dict.fromkeys(SCIPY, 2 if quick else 120 // n_dim) if is_jit else {}
        sides = {side: by_fastgd(side, fun, **options) for side in OURS} | {side: by_loop(side) for side in few}
        seconds = seconds_per_problem(what, 4 if quick else n_problems, n_dim, sides, 1 if quick else 5, few)
        report(f"{what}, d = {n_dim}: bfgs / gd", seconds["bfgs"] / seconds["gd"], goal)
        if few:
            report(f"{what}, d = {n_dim}: 2,000 problems by bfgs / one by SciPy's L-BFGS-B",
                   2000 * seconds["bfgs"] / seconds["SciPy L-BFGS-B"], 1.0)


def installed(module):
    return importlib.util.find_spec(module) is not None


def by_jax(program, n_at_a_time):
    """Chunks by a program for one point."""
    import jax

    program = jax.jit(jax.vmap(program))
    return lambda x0: (np.concatenate([program(x0[i:i + n_at_a_time]) for i in range(0, len(x0), n_at_a_time)]), None)


def jax_sides(n_problems):
    """With those libraries that are installed. The time of JAX depends on how many problems it gets at a time: the best
    of several counts. jaxopt's BFGS, its L-BFGS with other line searches, and more at a time, were slower."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_platforms", "cpu")

    def fun(x, args=None):
        return jnp.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)

    sides = {}
    if installed("optimistix"):
        import optimistix

        bfgs = optimistix.BFGS(rtol=1e-6, atol=1e-6)
        for n_at_a_time in sorted({min(256, n_problems), min(1024, n_problems), n_problems}):
            sides[f"optimistix BFGS, {n_at_a_time}"] = by_jax(
                lambda x: optimistix.minimise(fun, bfgs, x, max_steps=3000, throw=False).value, n_at_a_time)
    if installed("jaxopt"):
        import jaxopt

        lbfgs = jaxopt.LBFGS(fun, tol=1e-6, maxiter=1000, linesearch="backtracking")
        sides["jaxopt L-BFGS, 64"] = by_jax(lambda x: lbfgs.run(x).params, 64)
    return sides


def beside_jax(quick):
    """Exact derivatives by a jitted function and by JAX; not in the quick check, because JAX takes long to compile."""
    libraries = [library for library in ("optimistix", "jaxopt") if installed("jax") and installed(library)]
    print("".join(f"{library}: skipped, because it, or JAX, is not installed\n" for library in ("optimistix", "jaxopt")
                  if library not in libraries), end="")
    if quick or not libraries:
        return
    use_one_processor()
    for n_dim, goal in ((2, 1 / 2), (10, 1 / 7), (30, 1 / 12), (100, None)):
        n_problems, fun = 4096 if n_dim < 100 else 64, fastgd.jit(rosenbrock)
        sides = {side: by_fastgd(side, fun, jac="exact") for side in ("bfgs", "lbfgs")} | jax_sides(n_problems)
        seconds = seconds_per_problem("exact", n_problems, n_dim, sides, 3, {"jaxopt L-BFGS, 64": 1024})
        for library in libraries:
            theirs = min(each for side, each in seconds.items() if side.startswith(library))
            report(f"exact, d = {n_dim}: bfgs / {library}", seconds["bfgs"] / theirs,
                   goal if library == "optimistix" else None)


def in_batches(run, x0, size):
    return np.concatenate([run(x0[i:i + size])[0] for i in range(0, len(x0), size)])


def batch(quick):
    """So many problems at a time; of smaller batches there are several."""
    use_one_processor()
    sizes, totals = ((1, 8, 16, 32), (32,) * 4) if quick else ((1, 64, 4096, 100_000), (512, 4096, 32_768, 100_000))
    for n_dim in (2,) if quick else (2, 10, 30):
        fun, x0 = fastgd.jit(rosenbrock), starts(totals[-1], n_dim)
        for side in ("bfgs", "lbfgs", "gd"):
            runs = [partial(in_batches, by_fastgd(side, fun), x0[:total], size)
                    for size, total in zip(sizes, totals, strict=True)]
            for run, total in zip(runs, totals, strict=True):
                assert np.mean(found_minimum(run(), x0[:total]) >= 0) > 0.99
            each = cpu_seconds(runs, 1 if quick else 3) / totals
            report(f"jit, d = {n_dim}, {side}: a problem of {sizes[3]:,} / of {sizes[2]:,}", each[3] / each[2],
                   1.5 if side == "bfgs" else None)
            print(f"{'':4}(us per problem: "
                  + ", ".join(f"{1e6 * t:.2f} of {size:,}" for t, size in zip(each, sizes, strict=True)) + ")")


def dimensions(quick):
    """BFGS beside L-BFGS."""
    use_one_processor()
    for n_dim in (2,) if quick else (2, 10, 20, 30, 40, 60, 100):
        fun = fastgd.jit(rosenbrock)
        sides = {side: by_fastgd(side, fun) for side in ("bfgs", "lbfgs", "gd")}
        sides |= {f"{side}, NumPy": by_fastgd(side, rosenbrock, vectorized=True) for side in ("bfgs", "lbfgs")}
        sides["SciPy L-BFGS-B"] = by_loop("SciPy L-BFGS-B")
        few = {"bfgs, NumPy": 64, "lbfgs, NumPy": 64, "SciPy L-BFGS-B": 4}
        seconds = seconds_per_problem("jit", 4 if quick else 512, n_dim, sides, 1 if quick else 3, few)
        for what in ("", ", NumPy"):
            report(f"d = {n_dim}{what or ', jit'}: bfgs / lbfgs", seconds[f"bfgs{what}"] / seconds[f"lbfgs{what}"])


COMPARISONS = {
    "functions": partial(evaluations, "fastgd.functions"),
    "mgh": partial(evaluations, "MGH"),
    "profile": profile,
    "jit": partial(by_differences, "jit", {2: 0.70, 10: 0.40, 30: 0.65}, 4096),
    "numpy": partial(by_differences, "NumPy", {10: 0.25}, 1024, vectorized=True),
    "python": partial(by_differences, "Python", {2: 0.55, 10: 0.20}, 24),
    "jax": beside_jax,
    "batch": batch,
    "dimensions": dimensions,
}

if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--picture")
    options, sys.argv[1:] = parser.parse_known_args()
    if options.picture and "profile" not in sys.argv[1:2]:
        sys.exit("--picture goes with one comparison, profile")
    run_comparisons("bench.solution", __doc__, COMPARISONS | {"profile": partial(profile, picture=options.picture)})
