"""What a call without settings achieves on functions whose minima are known, in units of all sizes, beside SciPy.

``python -m bench.robustness`` minimizes every function of `fastgd.functions` from 20 random points inside its bounds,
by every method of fastgd and by three of SciPy, and prints the share of the runs that solved their problem and the
median number of evaluations. This and the second table, see below, take 25 minutes; ``--quick`` takes 2 starts of few
functions, to check that the script runs.

A run has solved its problem if it ended because it had converged, or because rounding allowed no further decrease
(not at the limit of iterations, even if the answer is good by then), and if its answer is either

- the minimum: f - f* is at most 1e-8 of what it was at the start; or
- for a function with other stationary points, one of those, by derivatives that do not come from the run.

Nobody is given bounds: they only say where starts are drawn.

A second table repeats this for functions in other units, c f(x / s) from s times the same starts, with
``x_scale="start"`` where s is not 1, and counts false successes: runs that claim to have converged at a point where
the largest component of the gradient, by derivatives that do not come from the run, exceeds both

- 1e-6 times that at the start; and
- sqrt(2 eps |f| curvature), with the largest curvature there: values that differ by no more than their rounding, eps
  |f|, can have that slope.

Both are of f in its own units, in which c and s cancel; with ``x_scale="start"`` they are of x / x_scale, as the run's
own are. Where a function has no derivative at its minimum, a run that got there has not claimed too much.
"""

import argparse
from collections import Counter
from dataclasses import dataclass

import numpy as np

import fastgd
from bench.timing import report
from fastgd import Status, functions

MAXITER = 10_000
SCIPY = {"BFGS": {}, "CG": {}, "L-BFGS-B": {"maxfun": 10**9, "ftol": 0.0}}  # only gtol and maxiter are to end them
SCIPY_ENDED = (0, 2)  # converged; no further decrease was possible
QUICK = ("booth", "himmelblau", "rosenbrock")
IN_UNITS = ("bfgs", "lbfgs", "newton", "gd", "BFGS", "L-BFGS-B")  # methods of the second table


@dataclass(frozen=True)
class Units:
    """A function f is minimized as of_f * f(x / of_x)."""

    name: str
    of_f: float = 1.0
    of_x: float = 1.0


OWN = Units("as it is")
UNITS = (OWN, Units("f times 1e-12", of_f=1e-12), Units("f times 1e12", of_f=1e12),
         Units("x times 1e-6", of_x=1e-6), Units("x times 1e6", of_x=1e6))


@dataclass
class Runs:
    """A method's runs from all starts of a problem: answers, in units in which the function is as it is, the runs that
    ended by themselves, those that claim success, evaluations, and in which scales of x their gradients are small."""

    x: np.ndarray
    ended: np.ndarray
    claims: np.ndarray
    nfev: np.ndarray
    scales: np.ndarray


def slopes(function, columns):
    """Gradients at the columns, in extended precision: central differences, extrapolated to an error of h^4."""
    columns = np.asarray(columns, dtype=np.longdouble)
    h = np.full_like(columns, np.finfo(np.longdouble).eps ** np.longdouble(0.2))  # all functions vary over lengths of 1
    gradients = np.empty_like(columns)
    for i, row in enumerate(columns):
        differences = []
        for step in (h[i], 2.0 * h[i]):
            above, below = columns.copy(), columns.copy()
            above[i], below[i] = row + step, row - step
            differences.append((function(above) - function(below)) / (above[i] - below[i]))
        gradients[i] = (4.0 * differences[0] - differences[1]) / 3.0
    return gradients


def curvatures(function, x):
    """The Hessian at x, by differences of slopes."""
    scale = max(1.0, np.abs(x).max())
    shifts = 1e-4 * scale * np.eye(len(x))
    hessian = (slopes(function, x[:, None] + shifts) - slopes(function, x[:, None] - shifts)) / (2e-4 * scale)
    return hessian.astype(float)


def is_stationary(function, x):
    """Whether the slope at x is zero but for rounding, and Newton's step from x is short.

    Values near f differ by eps |f|, which leaves a slope of sqrt(2 eps |f| curvature), 1e-5 sqrt|f| for curvatures up
    to 2e5. Where a function flattens out towards infinity the slope vanishes too, but Newton's step is of the order of
    x: that is no stationary point.
    """
    gradient = slopes(function, x[:, None])[:, 0]
    if not np.abs(gradient).max() <= 1e-5 * max(1.0, np.sqrt(abs(function(x)))):
        return False
    hessian = curvatures(function, x)
    if not np.isfinite(hessian).all():
        return False
    newton = np.linalg.lstsq(hessian, gradient.astype(float))[0]
    return np.abs(newton).max() <= 1e-3 * max(1.0, np.abs(x).max())


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

    def is_false(self, x, start, scale):
        """Whether a claim to have converged is false, see above."""
        steepest, at_start = (np.abs(scale * slopes(self.value, point[:, None])[:, 0]).max() for point in (x, start))
        if steepest <= 1e-6 * at_start or (not self.function.smooth and self.solves(x, start)):
            return False
        hessian = scale[:, None] * curvatures(self.value, x) * scale
        if not np.isfinite(hessian).all():
            return True
        curvature = np.abs(np.linalg.eigvalsh(hessian + hessian.T)).max() / 2.0
        return not steepest <= np.sqrt(2.0 * np.finfo(float).eps * abs(self.value(x)) * curvature)

    def run(self, method, units=OWN):
        """The runs of a method of fastgd, or of one of SciPy."""
        def fun(x):
            return units.of_f * self.value(x / units.of_x)

        with np.errstate(all="ignore"):  # steps that are too long overflow
            run = self.run_scipy if method in SCIPY else self.run_fastgd
            return run(fun, method, units)

    def run_fastgd(self, fun, method, units):
        options = {"x_scale": "start"} if units.of_x != 1.0 else {}
        scales = 2.0 ** np.round(np.log2(np.abs(self.starts))) if options else np.ones_like(self.starts)
        result = fastgd.minimize(fun, units.of_x * self.starts, vectorized=True, method=method, maxiter=MAXITER,
                                 **options)
        assert np.allclose(result.fun, fun(result.x.T), rtol=1e-9, atol=1e-9 * units.of_f, equal_nan=True)
        return Runs(result.x / units.of_x, result.success | (result.status == Status.STALLED), result.success,
                    result.nfev, scales)

    def run_scipy(self, fun, method, units):
        from scipy.optimize import minimize

        options = {"maxiter": MAXITER, "gtol": 1e-6, **SCIPY[method]}
        results = [minimize(fun, units.of_x * x0, method=method, jac="3-point", options=options) for x0 in self.starts]
        return Runs(*(np.array(values) for values in zip(*(
            (result.x / units.of_x, result.status in SCIPY_ENDED, result.success, result.nfev) for result in results),
            strict=True)), np.ones_like(self.starts))

    def share_solved(self, runs):
        return np.mean([end and self.solves(x, start)
                        for end, x, start in zip(runs.ended, runs.x, self.starts, strict=True)])

    def false_successes(self, runs):
        with np.errstate(all="ignore"):
            return sum(self.is_false(x, start, scale) for claim, x, start, scale in zip(
                runs.claims, runs.x, self.starts, runs.scales, strict=True) if claim)

    def measure(self, method):
        """The share of the starts from which the method solves the problem, and its median number of evaluations."""
        runs = self.run(method)
        with np.errstate(all="ignore"):
            return self.share_solved(runs), np.median(runs.nfev)


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


def measure_in_units(of_all, method, units):
    """Over all problems: the share solved, and the number of false successes by the problem's name."""
    shares, false = [], Counter()
    for problem in of_all:
        runs = problem.run(method, units)
        with np.errstate(all="ignore"):
            shares.append(problem.share_solved(runs))
        false[problem.name] += problem.false_successes(runs)
    return np.mean(shares), +false


def print_units(of_all):
    """The second table; below a row, where fastgd's false successes are."""
    print_row("share solved, false successes", [f"{method:>15}" for method in IN_UNITS])
    total = Counter()
    for units in UNITS:
        measured = {method: measure_in_units(of_all, method, units) for method in IN_UNITS}
        print_row(units.name, [f"{share:>7.1%} {false.total():>7}" for share, false in measured.values()])
        for method, (_, false) in measured.items():
            total[method] += false.total()
            if false and method not in SCIPY:
                print(f"    {method}: at " + "; ".join(f"{name}: {n}" for name, n in false.most_common(6))
                      + f"; and {len(false) - 6} more" * (len(false) > 6))
    for method in IN_UNITS[:4]:
        report(f"{method}: false successes, in all units", total[method], 0.0)


def main():
    parser = argparse.ArgumentParser(prog="python -m bench.robustness", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="2 starts of few functions")
    quick = parser.parse_args().quick
    methods = [*sorted(fastgd.methods.BY_NAME, key=lambda name: name != "bfgs"), *SCIPY]  # the default first
    n_starts = 2 if quick else 20
    of_all = list(problems(quick, n_starts))

    print_row("share solved, median evaluations", [f"{method:>15}" for method in methods])
    shares = [print_problem(problem, methods) for problem in of_all]
    if not quick:
        print("apart, not in the total:")
        print_problem(Problem(functions.ill_conditioned_quadratic, 10, n_starts, args=(1e6,)), methods)
    totals = np.mean(shares, axis=0)
    print_row("total share", [f"{total:>6.1%}{'':9}" for total in totals])
    print(f"{methods[0]}: at least 95%   {'ok' if totals[0] >= 0.95 else 'MISSED'}")

    print_units(of_all)


if __name__ == "__main__":
    main()
