"""Errors, evaluations and time of first derivatives, beside SciPy and numdifftools.

``python -m bench.accuracy`` takes the derivatives of 20 functions f of one variable, each also as f(x / scale), so that
x is of the order of 1e-8, 1e-4, 1, 1e4 and 1e8, and prints the relative errors (against mpmath, with 50 digits), the
evaluations that were counted, and the time. ``--quick`` leaves x at 1, to check that the script runs; ``--picture
accuracy.png`` also draws, with matplotlib, how errors depend on the step. numdifftools is skipped where it is not
installed, with a line that says so.

- An error is relative to the derivative, and infinite if the answer is not finite, for example because an evaluation
  was outside the domain.
- A call with an array counts as many evaluations as it has elements. A complex evaluation counts as one.
- Times include the function, which is NumPy on a single number for all but `scipy.differentiate`.
"""

import argparse
import importlib.util
import timeit
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import mpmath
import numpy as np

import fastgd
from bench.timing import report

EPS = np.finfo(float).eps
SCALES = (1e-8, 1e-4, 1.0, 1e4, 1e8)
METHODS = ("2-point", "3-point", "5-point", "cs")
THEIRS = "numdifftools"
WRONG = 1e-3  # a relative error of no use


@dataclass(frozen=True)
class Univariate:
    """A function of one variable, and the point at which its derivative is taken.

    `formula` takes the namespace of elementary functions, `numpy` or `mpmath.mp`, and x: NumPy rounds what mpmath
    computes exactly.
    """

    name: str
    formula: Callable
    point: float


FUNCTIONS = (
    Univariate("exponential", lambda m, x: m.exp(x), 1.0),
    Univariate("logarithm", lambda m, x: m.log(x), 2.0),
    Univariate("sine", lambda m, x: m.sin(x), 1.0),
    Univariate("tangent", lambda m, x: m.tan(x), 1.3),
    Univariate("root", lambda m, x: m.sqrt(x), 3.0),
    Univariate("logistic", lambda m, x: 1.0 / (1.0 + m.exp(-x)), 2.0),
    Univariate("Gaussian", lambda m, x: m.exp(-(x**2)), 0.7),
    Univariate("composite", lambda m, x: m.exp(m.sin(x**2)), 1.1),
    Univariate("power tower", lambda m, x: m.exp(x * m.log(x)), 2.0),  # x**x
    Univariate("polynomial", lambda m, x: x**5 - 3.0 * x**3 + x, 1.5),
    Univariate("product", lambda m, x: (x - 1.0) * (x - 2.0) * (x - 3.0) * (x - 4.0) * (x - 5.0), 3.3),
    Univariate("Runge", lambda m, x: 1.0 / (1.0 + 25.0 * x**2), 0.3),
    Univariate("humps", lambda m, x: 1.0 / ((x - 0.3) ** 2 + 0.01) + 1.0 / ((x - 0.9) ** 2 + 0.04) - 6.0, 0.5),
    Univariate("stiff decay", lambda m, x: m.exp(-50.0 * x), 0.1),
    Univariate("stiff front", lambda m, x: m.tanh(100.0 * (x - 1.0)), 1.005),
    Univariate("oscillation", lambda m, x: m.sin(50.0 * x), 0.3),
    Univariate("chirp", lambda m, x: m.sin(1.0 / x), 0.1),
    Univariate("logarithm near 0", lambda m, x: m.log(x), 1e-3),
    Univariate("root near its end", lambda m, x: m.sqrt(1.0 - x), 0.999),
    Univariate("large constant", lambda m, x: 1e6 + m.sin(x), 1.0),
)


class Case:
    """A function, the unit of its variable, and the derivative that is to be found."""

    def __init__(self, function, scale):
        self.formula, self.scale, self.x = function.formula, scale, function.point * scale
        self.evaluations = 0
        with mpmath.workdps(50):
            self.exact = mpmath.diff(lambda x: self.formula(mpmath.mp, x / self.scale), mpmath.mpf(self.x))

    def value(self, x):
        return self.formula(np, x / self.scale)

    def counted(self, x):
        self.evaluations += np.size(x)
        return self.value(x)

    def error(self, derivative):
        return abs(float((mpmath.mpf(derivative) - self.exact) / self.exact)) if np.isfinite(derivative) else np.inf

    def measure(self, side, repeats):
        """The relative error of a side, its evaluations and its microseconds."""
        self.evaluations = 0
        error = self.error(side(self.counted, self.x))
        seconds = min(timeit.repeat(lambda: side(self.value, self.x), number=repeats, repeat=3)) / repeats
        return error, self.evaluations, 1e6 * seconds


# Sides: functions of f and x


def all_sides():
    """Derivatives of fastgd, of SciPy, and of numdifftools if it is installed."""
    from scipy.differentiate import derivative
    from scipy.optimize import approx_fprime
    from scipy.optimize._numdiff import approx_derivative

    sides = {f"fastgd {method}": partial(fastgd.gradient, method=method) for method in METHODS}
    sides["fastgd adaptive"] = partial(fastgd.gradient, method=fastgd.Difference(adaptive=True))
    sides["SciPy approx_fprime"] = lambda fun, x: approx_fprime(np.array([x]), fun).item()
    for method in ("2-point", "3-point"):
        sides[f"SciPy approx_derivative {method}"] = (
            lambda fun, x, method=method: approx_derivative(fun, x, method=method).item())
    sides["SciPy differentiate.derivative"] = lambda fun, x: derivative(fun, x).df
    if importlib.util.find_spec(THEIRS):
        import numdifftools

        sides[THEIRS] = lambda fun, x: numdifftools.Derivative(fun)(x).item()
    else:
        print(f"{THEIRS}: skipped, because it is not installed; there are no goals without it")
    return sides


# What is printed


def print_table(measured, at_one):
    """A row for each side, of errors, evaluations and microseconds by case; `at_one` are the cases of scale 1."""
    print(f"{'':<36}{'median relative error':>22}{'':>9}{'above':>7}{'median of':>13}\n"
          f"{'':<36}{'x near 1':>11}{'all':>11}{'worst':>9}{WRONG:>7.0e}{'evaluations':>13}{'microseconds':>14}")
    for name, (errors, evaluations, microseconds) in measured.items():
        print(f"{name:<36}{np.median(errors[at_one]):>11.1e}{np.median(errors):>11.1e}{errors.max():>9.1e}"
              f"{np.mean(errors > WRONG):>7.0%}{np.median(evaluations):>13.0f}{np.median(microseconds):>14.1f}")


def report_goals(measured, at_one):
    """The error of at most numdifftools' default, at a tenth of its evaluations. Errors below rounding are equal,
    and so are those above the derivative."""
    for name, (errors, evaluations, _) in measured.items():
        if not name.startswith("fastgd"):
            continue
        their_errors, their_evaluations, _ = measured[THEIRS]
        ratios = np.clip(errors, EPS, 1.0) / np.clip(their_errors, EPS, 1.0)
        report(f"{name}: error / that of {THEIRS}, median, x near 1", np.median(ratios[at_one]), 1.0)
        report(f"{name}: the same for x of all sizes", np.median(ratios), 1.0)
        report(f"{name}: evaluations / those of {THEIRS}, median", np.median(evaluations / their_evaluations), 0.1)


def check_estimates(cases):
    """That the evaluations were counted, and how often the error is larger than the estimate of it."""
    missed = []
    for case in cases:
        case.evaluations = 0
        derivative, estimate, nfev = fastgd.gradient(case.counted, case.x, full_output=True)
        assert nfev == case.evaluations
        missed.append(not case.error(derivative) <= estimate / abs(float(case.exact)))
    report("fastgd 3-point: share of the errors above their estimates", np.mean(missed), 0.05)


def draw(picture):
    """Errors by the step h, with those that theory predicts."""
    function = next(function for function in FUNCTIONS if function.name == "composite")
    case = Case(function, 1.0)
    axes = fastgd.plot.step_size(case.value, case.x, exact=float(case.exact))
    axes.set_title(rf"errors of differences of $e^{{\sin x^2}}$ at x = {case.x}")
    axes.figure.savefig(picture, dpi=150)


def main():
    parser = argparse.ArgumentParser(prog="python -m bench.accuracy", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="leave x at 1, and check the errors only")
    parser.add_argument("--picture", metavar="FILE.png", help="draw errors by the step")
    options = parser.parse_args()

    cases = [Case(function, scale) for function in FUNCTIONS for scale in ((1.0,) if options.quick else SCALES)]
    at_one = np.array([case.scale == 1.0 for case in cases])
    with np.errstate(all="ignore"), warnings.catch_warnings():  # of evaluations outside the domain
        warnings.simplefilter("ignore")
        sides = all_sides()
        measured = {name: np.array([case.measure(side, 1 if options.quick else 20) for case in cases]).T
                    for name, side in sides.items()}
    print_table(measured, at_one)
    for name, (errors, _, _) in measured.items():
        assert np.median(errors[at_one]) < 1e-6, f"{name} is wrong"
    if THEIRS in measured:
        report_goals(measured, at_one)
    check_estimates(cases)
    if options.picture:
        draw(options.picture)


if __name__ == "__main__":
    main()
