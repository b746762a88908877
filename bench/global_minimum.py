"""Global minima: `fastgd.multistart` beside the global optimizers of SciPy.

``python -m bench.global_minimum`` searches for the global minima of five functions of 1 to 10 variables, each with many
seeds, by `multistart` with the function compiled by `fastgd.jit` and with the same plain Python function that SciPy's
`differential_evolution`, `dual_annealing`, `shgo` and `basinhopping` get, all with their default settings. It prints
how often each has found the minimum (f within 1e-6 of it, relative to 1 or to its size), the evaluations and the time
of a search. ``--quick`` takes two seeds, to check that the script runs.

Compared are times at equal success: a search that succeeds with probability p is repeated until 95 of 100 have found
the minimum, log(0.05) / log(1 - p) times, but at least once. Boxes are not centered at the minima, where methods that
favor the middle would find them by themselves. Of Himmelblau's function all four minima are asked of `multistart`,
without halving.
"""

import argparse
import math
import statistics
import time
from functools import partial

import numpy as np

import fastgd
from bench.timing import report

SUCCESS = 0.95
TOLERANCE = 1e-6
N_SEEDS = 100
N_SLOW = 10  # seeds of SciPy's, some of which take seconds


# Functions of a point, by the elementary functions of a module: `math` for plain Python, `numpy` to be traced.

def rastrigin(x, m=math):
    return 10.0 * len(x) + sum(t * t - 10.0 * m.cos(2.0 * math.pi * t) for t in x)


def ackley(x, m=math):
    squares = sum(t * t for t in x) / len(x)
    waves = sum(m.cos(2.0 * math.pi * t) for t in x) / len(x)
    return 20.0 + math.e - 20.0 * m.exp(-0.2 * m.sqrt(squares)) - m.exp(waves)


def styblinski_tang(x, m=math):
    return sum(t**4 - 16.0 * t * t + 5.0 * t for t in x) / 2.0


def himmelblau(x, m=math):
    return (x[0] ** 2 + x[1] - 11.0) ** 2 + (x[0] + x[1] ** 2 - 7.0) ** 2


def x_cos_x(x, m=math):
    return x[0] * m.cos(x[0]) + 9.0


# The function, its box, and the number of starts for multistart.
PROBLEMS = {
    "Rastrigin, d = 4": (rastrigin, ([-3.1, -4.7, -5.12, -2.2], [5.12, 4.3, 3.3, 5.0]), 32),
    "Ackley, d = 10": (ackley, ([1.7 * i - 32.768 for i in range(10)], [32.768] * 10), 32),
    "Styblinski-Tang, d = 6": (styblinski_tang, ([-5.0] * 6, [5.0] * 6), 256),
    "Himmelblau, d = 2": (himmelblau, ([-5.0] * 2, [5.0] * 2), 16),
    "x cos x + 9": (x_cos_x, ([-15.0], [15.0]), 16),
}


def minimum_of(fun, box):
    """The value at the global minimum."""
    if fun is x_cos_x:
        return min(fun([x]) for x in np.linspace(box[0][0], box[1][0], 1_000_001).tolist())
    if fun is styblinski_tang:
        roots = np.roots([2.0, 0.0, -16.0, 2.5])
        return 6 * min(root**4 - 16.0 * root**2 + 5.0 * root for root in roots.real) / 2.0
    return 0.0


def all_sides(fun, box, n_starts):
    """Searches: functions of a seed that return f and the number of evaluations."""
    from scipy import optimize

    pairs = list(zip(*box, strict=True))
    jitted = fastgd.jit(partial(fun, m=np))

    def ours(objective, seed):
        result = fastgd.multistart(objective, box, n_starts=n_starts, rng=seed)
        return result.fun, result.nfev

    def hopping(seed):
        rng = np.random.default_rng(seed)
        return optimize.basinhopping(fun, rng.uniform(*box), rng=seed,
                                     minimizer_kwargs={"method": "L-BFGS-B", "bounds": pairs})

    theirs = {
        "differential_evolution": lambda seed: optimize.differential_evolution(fun, pairs, rng=seed),
        "dual_annealing": lambda seed: optimize.dual_annealing(fun, pairs, rng=seed),
        "shgo": lambda seed: optimize.shgo(fun, pairs),
        "basinhopping": hopping,
    }

    def found(search, seed):
        result = search(seed)
        return result.fun, result.nfev

    return {"multistart, jit": partial(ours, jitted), "multistart": partial(ours, fun)} | {
        name: partial(found, search) for name, search in theirs.items()}


def measure(search, seeds, target):
    """The share of searches that have found the minimum, their mean evaluations and median seconds."""
    hits, evaluations, seconds = 0, [], []
    for seed in seeds:
        begin = time.perf_counter()
        value, nfev = search(seed)
        seconds.append(time.perf_counter() - begin)
        evaluations.append(nfev)
        hits += value <= target + TOLERANCE * max(1.0, abs(target))
    return hits / len(seeds), statistics.mean(evaluations), statistics.median(seconds)


def at_equal_success(share, seconds):
    """The time after which SUCCESS of the searches have found the minimum; inf if none has."""
    if share == 0.0:
        return math.inf
    return seconds * (max(1.0, math.log(1.0 - SUCCESS) / math.log(1.0 - share)) if share < 1.0 else 1.0)


def run_problem(name, n_seeds, n_slow):
    """A table for a problem, and the ratios with the best of SciPy's."""
    fun, box, n_starts = PROBLEMS[name]
    target, times = minimum_of(fun, box), {}
    print(f"\n{name}, {n_starts} starts\n{'':<26}{'found':>8}{'evaluations':>13}{'ms':>10}{'ms at 95%':>12}")
    for side, search in all_sides(fun, box, n_starts).items():
        seeds = range(n_seeds if side.startswith("multistart") else n_slow)
        search(0)  # compiles
        share, evaluations, seconds = measure(search, seeds, target)
        times[side] = at_equal_success(share, seconds)
        print(f"{side:<26}{share:>8.0%}{evaluations:>13,.0f}{1e3 * seconds:>10.1f}{1e3 * times[side]:>12.1f}",
              flush=True)
    best = min(seconds for side, seconds in times.items() if not side.startswith("multistart"))
    report(f"{name}: jit / the best of SciPy's", times["multistart, jit"] / best, 0.2)
    report(f"{name}: plain / the best of SciPy's", times["multistart"] / best, 1.0)


def check_basins(n_starts):
    """All four minima of Himmelblau's function, with the shares of their basins in a fine grid."""
    fun, box, _ = PROBLEMS["Himmelblau, d = 2"]
    fun = fastgd.jit(partial(fun, m=np))
    sides = [np.linspace(low, high, 302)[1:-1] for low, high in zip(*box, strict=True)]
    grid = np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1)
    basins = fastgd.minimize(fun, grid, bounds=box).distinct()
    minima = fastgd.multistart(fun, box, n_starts=n_starts, halving=False, rng=0).minima
    assert len(basins) == len(minima) == 4
    off = max(abs(minimum.share - basin.share) for minimum in minima for basin in basins
              if np.abs(minimum.x - basin.x).max() < 1e-3)
    report("Himmelblau: largest difference between a share and that of the basin", off, 0.03)


def main():
    """Runs all problems."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two seeds")
    quick = parser.parse_args().quick
    for name in PROBLEMS:
        run_problem(name, 2 if quick else N_SEEDS, 1 if quick else N_SLOW)
    check_basins(1024 if quick else 4096)


if __name__ == "__main__":
    main()
