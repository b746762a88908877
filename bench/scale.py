"""How the time of a batch grows with its size, what memory it takes, and what a second worker gains.

``python -m bench.scale`` minimizes a quadratic and Rosenbrock's function of 4 dimensions from up to a
million points by fixed numbers of iterations, and prints times per problem and ratios beside their goals. Every
comparison runs in a fresh process and checks its answers. ``--quick`` runs each on few problems, for the checks
alone; names of comparisons (see ``--help``) run only those.
"""

import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import cache, partial

import numpy as np

import fastgd
from bench.timing import best_seconds, median_ratios, report, run_comparisons
from fastgd import Status, functions

OPTIONS = {"method": "adam", "learning_rate": 1e-3, "gtol": 0.0, "maxiter": 30}


def starts(n_problems):
    return np.random.default_rng(0).uniform(-1.0, 1.0, (n_problems, 4))


def kinds():
    """By name: a function to minimize, its NumPy form, and how it is called."""
    forms = {}
    for name, function in (("Rosenbrock", functions.rosenbrock), ("quadratic", functions.sum_squares)):
        forms[f"compiled {name}"] = (function.compiled, function.formula, {})
        forms[f"jit {name}"] = (fastgd.jit(function.formula), function.formula, {})
        forms[f"vectorized {name}"] = (function.formula, function.formula, {"vectorized": True})
    return forms


def minimized(fun, x0, **options):
    return fastgd.minimize(fun, x0, **{**OPTIONS, **options})


def arrays_of(result):
    """Those that are as long as the batch, by name."""
    return {field: result[field] for field in ("x", "fun", "jac", "nit", "nfev", "njev", "status")}


def check(result, formula, maxiter=OPTIONS["maxiter"]):
    """That every problem was iterated, and its value is that of its point."""
    assert np.all(result.status == Status.MAXITER)
    assert np.all(result.nit == maxiter)
    np.testing.assert_allclose(result.fun, formula(result.x.T), rtol=1e-12)


def growth(name, quick):
    """Nanoseconds per problem and iteration for batches of rising size, which should not rise. Every size gets as
    many problems in all, so that all take as long: short times would be those of a machine that is undisturbed.
    Results go into arrays that are there: only the largest would be made of new pages of memory in every run, which
    virtual machines take their time to hand out."""
    fun, formula, options = kinds()[name]
    sizes = [200, 400] if quick else [10**3, 10**4, 10**5, 10**6]

    def batches(x0, out):
        for _ in range(sizes[-1] // len(x0)):
            result = minimized(fun, x0, out=out, **options)
        return result

    runs = [partial(batches, x0, arrays_of(minimized(fun, x0, **options))) for x0 in map(starts, sizes)]
    for run in runs:
        check(run(), formula)
    seconds = best_seconds(*runs, rounds=1 if quick else 5)
    each = [1e9 * total / sizes[-1] / (OPTIONS["maxiter"] + 1) for total in seconds]
    report(f"{name}: the slowest batch from {sizes[-3:][0]} on / the fastest", max(each[-3:]) / min(each[-3:]),
           None if quick else 1.15)
    print("    (nanoseconds per problem and iteration: "
          + ", ".join(f"{n} {t:.1f}" for n, t in zip(sizes, each, strict=True)) + ")")


def peak():
    """The most memory this process has had, in MB; None where /proc does not tell."""
    try:
        with open("/proc/self/status") as file:
            return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))
    except OSError:
        return None


def memory(name, quick):
    """What a run takes besides x0 and the result."""
    fun, formula, options = kinds()[name]
    minimized(fun, starts(100_000 if not quick else 100), **options)  # what is imported, compiled and kept
    x0 = starts(1000 if quick else 10**6)
    before = peak()
    result = minimized(fun, x0, **options)
    after = peak()
    check(result, formula)
    if before is None:
        print("memory: skipped, because there is no /proc")
        return
    own = sum(array.nbytes for array in arrays_of(result).values()) / 2**20
    report(f"{name}: MB besides x0 and the result, {len(x0)} problems", max(after - before - own, 0.0), 50.0)


@cache
def kept(name):
    return kinds()[name][0]


def minimize_half(name, n_problems):
    minimized(kept(name), starts(n_problems)[::2], maxiter=100)


def workers(name, quick):
    """Two threads beside one, and two processes that share nothing, which show what two cores give at the moment."""
    fun, formula, options = kinds()[name]
    x0 = starts(10_000 if quick else 10**5)
    options["maxiter"] = 100
    one, two = minimized(fun, x0, **options), minimized(fun, x0, workers=2, **options)
    check(one, formula, 100)
    assert all(np.array_equal(one[field], two[field]) for field in ("x", "fun", "jac", "nfev"))
    with ProcessPoolExecutor(2) as pool:
        def halves():
            for half in [pool.submit(minimize_half, name, len(x0)) for _ in range(2)]:
                half.result()

        halves()
        threads, processes = median_ratios(
            lambda: minimized(fun, x0, workers=2, **options), halves, lambda: minimized(fun, x0, **options),
            rounds=1 if quick else 15)
    report(f"{name}: two workers / one, {len(x0)} problems", threads, 0.70)
    print(f"{'':4}(two processes, half of the problems each: {processes:.3f})")


def slow(x):
    """A function that takes 2 ms."""
    end = time.perf_counter() + 2e-3
    while time.perf_counter() < end:
        pass
    return float(np.sum((x - 1.0) ** 2))


@contextmanager
def dask():
    """Two worker processes of Dask."""
    from distributed import Client, LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster, Client(cluster) as client:
        yield client.get_executor()


def processes(crew, name, quick):
    """Two processes beside one, for many problems and for the stencil of one, with a function of 2 ms."""
    many, one = np.zeros((4 if quick else 24, 4)), np.zeros(5 if quick else 50)
    with crew() as workers:
        for what, x0, options, chunks in (("24 problems", many, {"maxiter": 2 if quick else 5}, {"chunk_size": 2}),
                                          ("the stencil of one problem", one, {"maxiter": 2 if quick else 20}, {})):
            alone = partial(fastgd.minimize, slow, x0, learning_rate=0.1, gtol=0.0, **options)
            together = partial(alone, workers=workers, **chunks)
            assert np.array_equal(alone().x, together().x)
            alone, together = best_seconds(alone, together, rounds=1 if quick else 3)
            report(f"{what} of 2 ms an evaluation: two processes{name} / one", together / alone, 0.70)


COMPARISONS = {
    "growth-compiled": lambda quick: growth("compiled Rosenbrock", quick),
    "growth-jit": lambda quick: growth("jit Rosenbrock", quick),
    "growth-vectorized": lambda quick: growth("vectorized Rosenbrock", quick),
    "growth-compiled-quadratic": lambda quick: growth("compiled quadratic", quick),
    "growth-jit-quadratic": lambda quick: growth("jit quadratic", quick),
    "growth-vectorized-quadratic": lambda quick: growth("vectorized quadratic", quick),
    "memory-compiled": lambda quick: memory("compiled Rosenbrock", quick),
    "memory-jit": lambda quick: memory("jit Rosenbrock", quick),
    "memory-vectorized": lambda quick: memory("vectorized Rosenbrock", quick),
    "workers-compiled": lambda quick: workers("compiled Rosenbrock", quick),
    "workers-jit": lambda quick: workers("jit Rosenbrock", quick),
    "processes": lambda quick: processes(partial(ProcessPoolExecutor, 2), "", quick),
    "dask": lambda quick: processes(dask, " of Dask", quick),
}

if __name__ == "__main__":
    run_comparisons("bench.scale", __doc__, COMPARISONS)
