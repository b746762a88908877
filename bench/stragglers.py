"""Batches in which a few problems take much longer than the rest: what the rest costs while they run.

``python -m bench.stragglers``: 1 percent of 16,384 problems need 100 times the iterations of the others. In a loop that
iterates all problems in lock-step, everything waits for them; here a lane that is free takes the next problem. Times
are compared with the work that is needed (all iterations, at the cost of one in a full block), and with lock-step loops
in NumPy and JAX. Every comparison runs in a fresh process and checks its answers; ``--quick`` takes few problems.
"""

import importlib.util

import numpy as np

import fastgd
from bench.timing import best_seconds, report, run_comparisons
from fastgd import functions
from tests import reference

N_DIM = 4
SLOW, FAST = 0.0036, 0.3  # rates that need iterations at a ratio of about 100


def sphere(x):
    return np.sum(x * x, axis=0)


def problems(quick):
    n_problems = 512 if quick else 16384
    x0 = np.random.default_rng(0).uniform(1.0, 2.0, (n_problems, N_DIM))
    return x0, np.where(np.arange(n_problems) % 100 == 50, SLOW, FAST)


def minimized(fun, x0, rate, **options):
    return fastgd.minimize(fun, x0, learning_rate=rate, maxiter=20_000, **options)


def beside_needed_work(name, fun, quick):
    """The time beside that of as many iterations when all problems need the same number."""
    x0, rate = problems(quick)
    result = minimized(fun, x0, rate)
    assert result.success.all()
    assert np.abs(result.x).max() < 1e-6
    ratio = result.nit[rate == SLOW].mean() / result.nit[rate == FAST].mean()
    n_iterations = int(result.nit.mean())
    even = {"gtol": 0.0, "learning_rate": SLOW}

    def needed():
        return fastgd.minimize(fun, x0, maxiter=n_iterations, **even)

    ours, work = best_seconds(lambda: minimized(fun, x0, rate), needed, rounds=1 if quick else 7)
    work *= result.nit.sum() / (n_iterations * len(x0))
    report(f"{name}, 1 percent need {ratio:.0f} times the iterations / the work needed", ours / work, 1.3)


def lockstep(quick):
    """A NumPy function beside NumPy in lock-step."""
    x0, rate = problems(quick)
    columns = x0.T.copy()

    def ours():
        return minimized(sphere, x0, rate, vectorized=True)

    def theirs():
        return reference.minimize(sphere, columns, learning_rate=rate, maxiter=20_000)

    assert np.array_equal(ours().x, theirs().x.T)
    ours, theirs = best_seconds(ours, theirs, rounds=1 if quick else 2)
    report("NumPy, 1 percent stragglers / lock-step", ours / theirs, 0.2)


def jax(quick):
    """A jitted function beside JAX's vmap of a while loop, with exact gradients."""
    if importlib.util.find_spec("jax") is None:
        print("JAX: skipped, because it is not installed")
        return
    import jax

    jax.config.update("jax_enable_x64", True)
    x0, rate = problems(quick)
    slopes = jax.grad(lambda x: (x * x).sum())

    def one(x, rate):
        def unfinished(state):
            return (abs(state[1]).max() > 1e-6) & (state[2] < 20_000)

        def step(state):
            x = state[0] - rate * state[1]
            return x, slopes(x), state[2] + 1

        return jax.lax.while_loop(unfinished, step, (x, slopes(x), 0))[0]

    theirs = jax.jit(jax.vmap(one))
    fun = fastgd.jit(sphere)
    np.testing.assert_allclose(minimized(fun, x0, rate).x, theirs(x0, rate), atol=1e-9)
    ours, theirs = best_seconds(lambda: minimized(fun, x0, rate), lambda: theirs(x0, rate).block_until_ready(),
                                rounds=1 if quick else 3)
    report("jit, 1 percent stragglers / JAX, vmap of a while loop", ours / theirs)


COMPARISONS = {
    "compiled": lambda quick: beside_needed_work("compiled", functions.sphere.compiled, quick),
    "jit": lambda quick: beside_needed_work("jit", fastgd.jit(sphere), quick),
    "lockstep": lockstep,
    "jax": jax,
}

if __name__ == "__main__":
    run_comparisons("bench.stragglers", __doc__, COMPARISONS)
