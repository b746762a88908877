"""What a call without settings achieves on functions whose minima are known, beside SciPy.

``python -m bench.robustness`` minimizes every function of `fastgd.functions` from 20 random points inside its bounds,
by every method of fastgd and by three of SciPy, and prints the share of the runs that solved their problem and the
median number of evaluations. ``--quick`` takes 2 starts of few functions, to check that the script runs.

A run has solved its problem if it ended because it had converged, or because rounding allowed no further decrease
(not at the limit of iterations, even if the answer is good by then), and if its answer is either

- the minimum: f - f* is at most 1e-8 of what it was at the start; or
- for a function with other stationary points, one of those, by derivatives that do not come from the run.

Nobody is given bounds: they only say where starts are drawn.
"""

import argparse

import numpy as np

import fastgd
from fastgd import Status, functions

MAXITER = 10_000
SCIPY = {"BFGS": {}, "CG": {}, "L-BFGS-B": {"maxfun": 10**9, "ftol": 0.0}}  # only gtol and maxiter are to end them
SCIPY_ENDED = (0, 2)  # converged; no further decrease was possible
QUICK = ("booth", "himmelblau", "rosenbrock")


def slopes(function, columns):
    """Gradients at the columns, in extended precision: central differences, extrapolated to an error of h^4."""
    columns = np.asarray(columns, dtype=np.longdouble)
    h = np.finfo(np.longdouble).eps ** np.longdouble(0.2) * np.maximum(1.0, abs(columns))
    gradients = np.empty_like(columns)
    for i, row in enumerate(columns):
        differences = []
        for step in (h[i], 2.0 * h[i]):
            above, below = columns.copy(), columns.copy()
            above[i], below[i] = row + step, row - step
            differences.append((function(above) - function(below)) / (above[i] - below[i]))
        gradients[i] = (4.0 * differences[0] - differences[1]) / 3.0
    return gradients


def is_stationary(function, x):
    """Whether the slope at x is zero but for rounding, and Newton's step from x is short.

    Values near f differ by eps |f|, which leaves a slope of sqrt(2 eps |f| curvature), 1e-5 sqrt|f| for curvatures up
    to 2e5. Where a function flattens out towards infinity the slope vanishes too, but Newton's step is of the order of
    x: that is no stationary point.
    """
    gradient = slopes(function, x[:, None])[:, 0]
    if not np.abs(gradient).max() <= 1e-5 * max(1.0, np.sqrt(abs(function(x)))):
        return False
    scale = max(1.0, np.abs(x).max())
    shifts = 1e-4 * scale * np.eye(len(x))
    hessian = (slopes(function, x[:, None] + shifts) - slopes(function, x[:, None] - shifts)) / (2e-4 * scale)
    if not np.isfinite(hessian).all():
        return False
    newton = np.linalg.lstsq(hessian.astype(float), gradient.astype(float))[0]
    return np.abs(newton).max() <= 1e-3 * scale


class Problem:
    """A function, its starts, and the verdict on answers."""

    def __init__(self, function, n_dim, n_starts, args=()):
        self.function, self.args = function, args
        self.name = f"{function.name}, d = {n_dim}" + "".join(f", condition {value:.0e}" for value in args)
        self.starts = np.random.default_rng(0).uniform(*function.bounds(n_dim), (n_starts, n_dim))
        self.minimum = function.minimum(n_dim)
        self.unimodal = function.unimodal(n_dim)

    def value(self, x):
        return self.function(x, *self.args)

    def solves(self, x, start):
        if not np.isfinite(x).all():
            return False
        excess = self.value(x) - self.minimum
        rounding = 4.0 * np.finfo(float).eps * abs(self.minimum)
        if excess <= 1e-8 * (self.value(start) - self.minimum) + rounding:
            return True
        return not self.unimodal and is_stationary(self.value, x)

    def run_fastgd(self, method):
        """Answers, which runs ended by themselves, and the evaluations of each."""
        result = fastgd.minimize(self.function, self.starts, self.args, vectorized=True, method=method,
                                 maxiter=MAXITER)
        assert np.allclose(result.fun, self.value(result.x.T), rtol=1e-9, atol=1e-9, equal_nan=True)
        return result.x, np.isin(result.status, (Status.GTOL, Status.STALLED)), result.nfev

    def run_scipy(self, method):
        from scipy.optimize import minimize

        options = {"maxiter": MAXITER, "gtol": 1e-6, **SCIPY[method]}
        results = [minimize(self.function, x0, self.args, method=method, jac="3-point", options=options)
                   for x0 in self.starts]
        return ([result.x for result in results], [result.status in SCIPY_ENDED for result in results],
                [result.nfev for result in results])

    def measure(self, method):
        """The share of the starts from which the method solves the problem, and its median number of evaluations."""
        with np.errstate(all="ignore"):  # steps that are too long overflow
            answers, ended, nfev = self.run_scipy(method) if method in SCIPY else self.run_fastgd(method)
            solved = [end and self.solves(x, start) for end, x, start in zip(ended, answers, self.starts, strict=True)]
        return np.mean(solved), np.median(nfev)


def problems(quick, n_starts):
    """Every function as it is by default, and in 10 dimensions (12 for powell) if it takes them.

    easom is left out: it is flat, to the last bit, nearly everywhere inside its bounds.
    """
    for function in functions.BY_NAME.values():
        if function is functions.easom or (quick and function.name not in QUICK):
            continue
        yield Problem(function, function.n_dim, n_starts)
        more = next((n_dim for n_dim in (10, 12) if n_dim in function.n_dims), function.n_dim)
        if more != function.n_dim and not quick:
            yield Problem(function, more, n_starts)


def print_row(name, cells):
    print(f"{name:<52}" + "".join(cells), flush=True)


def print_problem(problem, methods):
    """Prints its row; returns the shares."""
    measured = [problem.measure(method) for method in methods]
    print_row(problem.name, [f"{share:>6.0%} {nfev:>8.0f}" for share, nfev in measured])
    return [share for share, _ in measured]


def main():
    parser = argparse.ArgumentParser(prog="python -m bench.robustness", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="2 starts of few functions")
    quick = parser.parse_args().quick
    methods = [*sorted(fastgd.methods.BY_NAME, key=lambda name: name != "bfgs"), *SCIPY]  # the default first

    print_row("share solved, median evaluations", [f"{method:>15}" for method in methods])
    n_starts = 2 if quick else 20
    shares = [print_problem(problem, methods) for problem in problems(quick, n_starts)]
    print("apart, not in the total:")
    print_problem(Problem(functions.ill_conditioned_quadratic, 10, n_starts, args=(1e6,)), methods)
    totals = np.mean(shares, axis=0)
    print_row("total share", [f"{total:>6.1%}{'':9}" for total in totals])
    print(f"{methods[0]}: at least 95%   {'ok' if totals[0] >= 0.95 else 'MISSED'}")


if __name__ == "__main__":
    main()
