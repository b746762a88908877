"""What fastgd adds to the cost of a compiled objective, and what it saves against loops in NumPy and numba.

``python -m bench.compiled`` minimizes Rosenbrock's function from 16,384 points by Adam, 50 iterations in one thread,
and prints nanoseconds per evaluation and a ratio beside its goal. Every comparison runs in a fresh process and checks
that both sides found the same. It needs a C compiler (``cc``, or what the variable CC names). ``--quick`` runs each
once on few problems, for the checks alone; names of comparisons (see ``--help``) run only those.
"""

import ctypes
import importlib.util
import math
import os
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import fastgd
from bench.timing import best_seconds, median_ratios, report, run_comparisons
from fastgd import Status, functions
from tests import reference

FLAGS = ["-O3", "-ffp-contract=off", "-fno-math-errno", "-g0"]  # those of fastgd's own modules
MAXITER, RATE = 50, 1e-3
TILE = 64  # points side by side; with 50 coordinates they fill most of a cache of 32 KiB
SIGNATURE = (b"int (intptr_t n_dim, intptr_t n_params, intptr_t n_points, intptr_t stride, const double *x, "
             b"const double *params, double *f, void *user_data)")
OWN_COST = {"AVX-512": 0.6, "AVX2": 1.2}  # nanoseconds per evaluation that fastgd may add at d = 10


def instruction_set():
    """The widest vectors that this machine has, where /proc tells."""
    info = Path("/proc/cpuinfo")
    flags = info.read_text().split() if info.exists() else ()
    return "AVX-512" if "avx512f" in flags else "AVX2" if "avx2" in flags else "neither AVX2 nor AVX-512"


def compiled_by_hand():
    """The functions of compiled.c."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(__file__).with_suffix(".c"), Path(folder) / "by_hand.so"
        command = [os.environ.get("CC", "cc"), *FLAGS, "-shared", "-fPIC", source, "-o", target, "-lm"]
        subprocess.run(command, check=True)
        library = ctypes.CDLL(str(target))
    pointer, size, number = ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int
    library.rosenbrock.restype = ctypes.c_double
    library.rosenbrock.argtypes = [number, ctypes.POINTER(ctypes.c_double)]
    library.call_kernel.argtypes = [pointer, size, size, pointer, pointer, size]
    library.adam.argtypes = [pointer, number, size, pointer, pointer, pointer, number, ctypes.c_double]
    return library


def starts(quick, n_dim):
    """Where Adam cannot get beyond |x| = 1.89 in 50 iterations: there all steps of the differences are 2**-17."""
    return np.random.default_rng(0).uniform(-1.0, 1.0, (256 if quick else 16384, n_dim))


def minimized(fun, x0):
    return fastgd.minimize(fun, x0, method="adam", learning_rate=RATE, gtol=0.0, maxiter=MAXITER)


def in_lockstep(x0):
    """The same in plain NumPy: the points, the gradients and the values at the end."""
    fun, x, step = functions.rosenbrock.formula, x0.T.copy(), reference.adam()
    for _ in range(MAXITER):
        x = step(x, reference.central_difference(fun, x), RATE)
    return x.T, reference.central_difference(fun, x).T, fun(x)


def check(result, x0):
    """That the first problems ended where plain NumPy ends, bit for bit, and that all evaluations were counted."""
    for found, expected in zip((result.x, result.jac, result.fun), in_lockstep(x0[:256]), strict=True):
        assert np.array_equal(found[:256], expected)
    assert np.all(result.status == Status.MAXITER)
    assert np.all(result.nfev == 2 * x0.shape[1] * (MAXITER + 2) + 2)  # at the start there is a second look


def nanoseconds(n_evaluations, **seconds):
    figures = ", ".join(f"{side} {1e9 * total / n_evaluations:.2f}" for side, total in seconds.items())
    print(f"{'':4}(nanoseconds per evaluation: {figures})")


def aligned(shape):
    """An array that begins at a multiple of 64 bytes, as the loop's own rows do: elsewhere the kernel takes up to a
    quarter longer."""
    size = math.prod(shape)
    memory = np.empty(size + 8)
    first = -memory.ctypes.data % 64 // 8
    return memory[first:first + size].reshape(shape)


def kernel_alone(points, n_evaluations):
    """A function that does nothing but call Rosenbrock's kernel on a block of these points, without the GIL."""
    by_hand, (n_points, n_dim) = compiled_by_hand(), points.shape
    x, f = aligned((n_dim, n_points)), aligned((n_points,))
    x[...] = points.T
    get_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    get_pointer.restype, get_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    address = get_pointer(functions.rosenbrock.compiled, SIGNATURE)

    def alone():
        status = by_hand.call_kernel(address, n_dim, n_points, x.ctypes.data, f.ctypes.data, n_evaluations // n_points)
        assert status == 0

    alone()
    assert np.array_equal(f, functions.rosenbrock(x))
    return alone


def block(n_dim, quick):
    """A block kernel beside the kernel alone, called as often on a block that stays in the first cache."""
    kernel, x0 = functions.rosenbrock.compiled, starts(quick, n_dim)
    result = minimized(kernel, x0)
    check(result, x0)
    n_evaluations = int(result.nfev.sum())
    alone = kernel_alone(x0[:TILE], n_evaluations)
    ours, alone = best_seconds(lambda: minimized(kernel, x0), alone, rounds=1 if quick else 7)
    report(f"block kernel, d = {n_dim} / the kernel alone", ours / alone, 1.25 if n_dim == 50 else None)
    if n_dim == 10:
        vectors = instruction_set()
        report(f"block kernel, d = 10: nanoseconds above the kernel ({vectors})", 1e9 * (ours - alone) / n_evaluations,
               OWN_COST.get(vectors))
    nanoseconds(n_evaluations, fastgd=ours, kernel=alone)


def point(n_dim, quick):
    """A C function of one point beside a complete C program that calls it through the same pointer."""
    by_hand, x0 = compiled_by_hand(), starts(quick, n_dim)
    address = ctypes.cast(by_hand.rosenbrock, ctypes.c_void_p)
    result = minimized(by_hand.rosenbrock, x0)
    check(result, x0)
    x, fun, jac = x0.copy(), np.empty(len(x0)), np.empty_like(x0)

    def program():
        x[...] = x0
        status = by_hand.adam(address, n_dim, len(x), x.ctypes.data, fun.ctypes.data, jac.ctypes.data, MAXITER, RATE)
        assert status == 0

    program()
    for found, expected in ((result.x, x), (result.fun, fun), (result.jac, jac)):
        assert np.array_equal(found, expected)
    ours, program = best_seconds(lambda: minimized(by_hand.rosenbrock, x0), program, rounds=1 if quick else 5)
    report(f"point function in C, d = {n_dim} / the whole program in C", ours / program, 1.10)
    nanoseconds(result.nfev.sum(), fastgd=ours, program=program)


def lockstep(quick):
    """A block kernel beside NumPy on all problems in lock-step."""
    kernel, x0 = functions.rosenbrock.compiled, starts(quick, 10)
    result = minimized(kernel, x0)
    check(result, x0)
    ours, theirs = best_seconds(lambda: minimized(kernel, x0), lambda: in_lockstep(x0), rounds=1 if quick else 3)
    report("block kernel, d = 10 / NumPy in lock-step", ours / theirs, 1 / 10)
    nanoseconds(result.nfev.sum(), fastgd=ours, NumPy=theirs)


def numba_program():
    """The loops that one writes by hand, one problem after another; the step is what `starts` allows."""
    import numba

    @numba.njit(error_model="numpy")
    def rosenbrock(x):
        total = 0.0
        for i in range(len(x) - 1):
            height, along = x[i + 1] - x[i] * x[i], 1.0 - x[i]
            total += 100.0 * (height * height) + along * along
        return total

    @numba.njit(error_model="numpy")
    def gradient(x, g):
        h = 2.0**-17
        for i in range(len(x)):
            middle = x[i]
            x[i] = middle + h
            above = rosenbrock(x)
            x[i] = middle - h
            g[i] = (above - rosenbrock(x)) / (2.0 * h)
            x[i] = middle

    @numba.njit(error_model="numpy")
    def program(x0, maxiter, rate):
        n_problems, n = x0.shape
        all_x, jac, fun = x0.copy(), np.empty((n_problems, n)), np.empty(n_problems)
        m, v = np.empty(n), np.empty(n)
        for problem in range(n_problems):
            x, g = all_x[problem], jac[problem]
            m[:] = v[:] = 0.0
            power1 = power2 = 1.0
            for _ in range(maxiter):
                gradient(x, g)
                power1, power2 = 0.9 * power1, 0.999 * power2
                step, correction = rate / (1.0 - power1), 1.0 / np.sqrt(1.0 - power2)
                for i in range(n):
                    m[i] = m[i] + (1.0 - 0.9) * (g[i] - m[i])
                    v[i] = 0.999 * v[i] + (1.0 - 0.999) * (g[i] * g[i])
                    x[i] = x[i] - step * m[i] / (np.sqrt(v[i]) * correction + 1e-8)
            gradient(x, g)
            fun[problem] = rosenbrock(x)
        return all_x, jac, fun

    return program


def numba(quick):
    """A block kernel beside the same algorithm, written by hand and compiled by numba."""
    if importlib.util.find_spec("numba") is None:
        print("block kernel, d = 10 / numba: skipped, because numba is not installed")
        return
    kernel, x0, program = functions.rosenbrock.compiled, starts(quick, 10), numba_program()
    result = minimized(kernel, x0)
    check(result, x0)
    for found, expected in zip((result.x, result.jac, result.fun), program(x0, MAXITER, RATE), strict=True):
        assert np.array_equal(found, expected)
    ours, theirs = best_seconds(lambda: minimized(kernel, x0), lambda: program(x0, MAXITER, RATE),
                                rounds=1 if quick else 7)
    report("block kernel, d = 10 / loops by hand, compiled by numba", ours / theirs, 1 / 3)
    nanoseconds(result.nfev.sum(), fastgd=ours, numba=theirs)


def threads(quick):
    """Two Python threads with half of the problems each beside one with all of them."""
    kernel, x0 = functions.rosenbrock.compiled, starts(quick, 10)
    halves = np.array_split(x0, 2)
    whole = minimized(kernel, x0)
    check(whole, x0)
    n_evaluations = int(whole.nfev.sum())
    all_calls = kernel_alone(x0[:TILE], n_evaluations)
    half_of_them = [kernel_alone(x0[:TILE], n_evaluations // 2) for _ in halves]
    with ThreadPoolExecutor(2) as pool:

        def in_two():
            return list(pool.map(lambda half: minimized(kernel, half), halves))

        def calls_in_two():
            return list(pool.map(lambda call: call(), half_of_them))

        assert np.array_equal(np.concatenate([result.x for result in in_two()]), whole.x)
        rounds = 1 if quick else 31
        (ratio,) = median_ratios(in_two, lambda: minimized(kernel, x0), rounds=rounds)
        (of_calls,) = median_ratios(calls_in_two, all_calls, rounds=rounds)
    report("block kernel, d = 10: two threads / one", ratio, 0.70)
    print(f"{'':4}(the kernel alone, which shows whether two cores are free: {of_calls:.3f})")


COMPARISONS = {
    "block-2": lambda quick: block(2, quick),
    "block-10": lambda quick: block(10, quick),
    "block-50": lambda quick: block(50, quick),
    "point-2": lambda quick: point(2, quick),
    "point-10": lambda quick: point(10, quick),
    "point-50": lambda quick: point(50, quick),
    "lockstep": lockstep,
    "numba": numba,
    "threads": threads,
}

if __name__ == "__main__":
    run_comparisons("bench.compiled", __doc__, COMPARISONS)
