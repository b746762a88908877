"""Functions that several tests minimize, and the comparison of results by bits.

Coordinates come first, so that every function takes one point or a block of points. Those of + - * alone have the same
bits either way.
"""

import numpy as np

# At how many points a gradient of the user's is compared with values, at the start of problem 0. They are not in nfev.
CHECKS_OF_JAC = 2

FIELDS = ("x", "fun", "jac", "nit", "nfev", "njev", "status")


def rosenbrock(x):
    a, b = 1 - x[0], x[1] - x[0] * x[0]
    return a * a + 100 * b * b


def slopes_of_rosenbrock(x):
    a, b = 1 - x[0], x[1] - x[0] * x[0]
    return np.array([-2 * a - 400 * x[0] * b, 200 * b])


def valley(x):
    """A quartic bowl of any number of dimensions, added up in a loop (`sum` compensates Python floats since 3.12)."""
    total = x[0] * x[-1]
    for i in range(len(x)):
        total = total + (i + 1) * x[i] * x[i] + 0.1 * x[i] * x[i] * x[i] * x[i]
    return total


def wavy(x):
    """Transcendental functions, a division, and a sum over the axis."""
    return np.exp(x[0] * x[0]) + 4 * np.cos(x / 2).sum(axis=0) + (5 * x * x).sum(axis=0) / 3 + 1 / (3 + x[-1] * x[-1])


def bits(result, problems=...):
    """All numbers of a result, or of some of its problems, in a form that compares by bits."""
    return {name: np.asarray(result[name])[problems].tobytes() for name in FIELDS}


def counted(fun):
    """The function, and a list of the number of points in each call to it."""
    calls = []

    def counting(x, *more):
        calls.append(np.shape(x)[1] if np.ndim(x) == 2 else 1)
        return fun(x, *more)

    return counting, calls
