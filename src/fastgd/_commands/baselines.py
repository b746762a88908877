"""What fastgd is compared with: the same descent in plain NumPy, and SciPy in a loop."""

import numpy as np

#: The loops in NumPy take a fixed step, so that they stay short; a power of two, so that x + h and x - h are exact.
STEP = 2.0**-17
#: All sides stop when no slope exceeds this.
GTOL = 1e-6
#: Himmelblau's minima have Hessians with eigenvalues up to 134: a fixed rate must stay below 2 / 134 there. With the
#: slowest rate a problem needs about 50 times the iterations that it needs with the fastest.
RATES = (2e-4, 1e-2)
#: Answers whose gradients are below GTOL lie closer to each other, and to the minimum, than this.
TOLERANCE = 1e-6


def himmelblau(x):
    """D. M. Himmelblau, "Applied Nonlinear Programming", 1972: four minima, at each of which it is 0."""
    return (x[0]**2 + x[1] - 11)**2 + (x[0] + x[1]**2 - 7)**2


def himmelblau_problems(n_problems):
    """Random starts, and a learning rate for each."""
    rng = np.random.default_rng(0)
    return rng.uniform(-5.0, 5.0, (n_problems, 2)), np.exp(rng.uniform(*np.log(RATES), n_problems))


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


def scipy_minimize():
    """SciPy's `minimize`, or None without SciPy."""
    try:
        from scipy.optimize import minimize  # type: ignore[import-untyped, import-not-found]
    except ImportError:
        return None
    return minimize


def scipy_loop(fun, x0):
    """SciPy on one problem after the other: BFGS by central differences, as fastgd's default method."""
    minimize = scipy_minimize()
    return np.array([minimize(fun, x, method="BFGS", jac="3-point", options={"gtol": GTOL}).x for x in x0])
