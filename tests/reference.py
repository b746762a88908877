"""The algorithm of fastgd in plain NumPy, written for reading: all problems in lock-step, a column each.

It is the oracle of the tests and the baseline of the benchmarks. Nothing here is imported from fastgd.
"""

import math
from dataclasses import dataclass

import numpy as np

GTOL, XTOL, FTOL, MAXITER = 0, 1, 2, -2
RUNNING = 100


@dataclass
class Answer:
    """Coordinates first: x and jac are (n_dim, n_problems)."""

    x: np.ndarray
    fun: np.ndarray
    jac: np.ndarray
    nit: np.ndarray
    status: np.ndarray


def rounded_step(x, x_scale=1.0):
    """The power of two nearest to eps^(1/3) max(x_scale, |x|)."""
    fraction, exponent = np.frexp(2.0 ** (-52 / 3) * np.maximum(x_scale, np.abs(x)))
    return np.ldexp(1.0, np.where(fraction < 0.75, exponent - 1, exponent))


def central_difference(fun, x, step=None):
    """Gradients at the columns of x by (f(x + h) - f(x - h)) / (2h)."""
    gradient = np.empty_like(x)
    shifted = x.copy()
    for i in range(len(x)):
        h = rounded_step(x[i]) if step is None else step
        shifted[i] = x[i] + h
        above = fun(shifted)
        shifted[i] = x[i] - h
        below = fun(shifted)
        shifted[i] = x[i]
        gradient[i] = (above - below) / (2.0 * h)
    return gradient


def gradient_noise(seed, problem, iteration, n_dim, scale=0.01, decay=0.55):
    """What is added to the gradient of one problem in one iteration, by NumPy's Philox and the math module."""
    first_counter = (1 << 192) + (problem << 128) + (iteration << 64)
    key = np.random.Philox(seed).state["state"]["key"]
    # NumPy adds 1 to the counter, the four words taken as one integer, before it generates a block.
    words = np.random.Philox(key=key, counter=first_counter - 1).random_raw(-(-n_dim // 4) * 4)
    uniform = [((int(word) >> 11) + 1) / 2**53 for word in words]  # in (0, 1]
    normals = []
    for first, second in zip(uniform[::2], uniform[1::2], strict=True):  # Box and Muller
        radius, angle = math.sqrt(-2 * math.log(first)), 2 * math.pi * second
        normals += [radius * math.cos(angle), radius * math.sin(angle)]
    return math.sqrt(scale / (1 + iteration) ** decay) * np.array(normals[:n_dim])


def minimize(fun, x0, *, learning_rate=0.01, step=None, maxiter=1000, gtol=1e-6, xtol=0.0, ftol=0.0):
    """Gradient descent with a fixed rate (per problem, if it is an array) on every column of x0."""
    x = np.array(x0, dtype=float)
    n_problems = x.shape[1]
    status = np.full(n_problems, RUNNING)
    nit = np.zeros(n_problems, dtype=int)
    jac = np.full_like(x, np.nan)
    x_before = f_before = None
    f = None
    for k in range(maxiter + 1):
        g = central_difference(fun, x, step)
        running = status == RUNNING
        jac = np.where(running, g, jac)
        nit[running] = k
        if ftol:
            f = fun(x)
        ended = np.where(np.abs(g).max(axis=0) <= gtol, GTOL, RUNNING)
        if xtol and k:
            small = (np.abs(x - x_before) <= xtol * np.maximum(1.0, np.abs(x))).all(axis=0)
            ended = np.where((ended == RUNNING) & small, XTOL, ended)
        if ftol and k:
            fall = f_before - f
            small = (fall > 0.0) & (fall <= ftol * np.maximum(1.0, np.abs(f)))
            ended = np.where((ended == RUNNING) & small, FTOL, ended)
        if k == maxiter:
            ended = np.where(ended == RUNNING, MAXITER, ended)
        status = np.where(running, ended, status)
        running = status == RUNNING
        if not running.any():
            break
        x_before, f_before = x, f
        x = np.where(running, x - learning_rate * g, x)
    return Answer(x, fun(x), jac, nit, status)
