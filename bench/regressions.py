"""Fits of one curve each in physical units, where variables and sums of squares are anything but near 1.

``python -m bench.regressions`` fits 12 curves to synthetic data, from two starts each, by the default method of
`fastgd.minimize`, with ``x_scale`` as it is by default, 1, "start", and by the units of the parameters, and by BFGS and
L-BFGS-B of SciPy. It prints for every run whether it solved its problem, and its evaluations. ``--quick`` takes three
curves, to check that the script runs.

f is the plain sum of squared residuals, in the units of the data. The reference f* is what
`scipy.optimize.least_squares` finds for the residuals in units of the noise, from the parameters that the data were
made with, in units of their own. With the start's f0 a run is

- ``ok``: it ended by itself, and f - f* is at most 1e-6 (f0 - f*) + 1e-9 f*;
- ``elsewhere``: it did not get there and claims success, at a point that is as good as stationary, such as another
  minimum, or a plateau: the largest component of the gradient, in units of the parameters and by derivatives that do
  not come from the run, is at most 1e-6 times that at the start;
- ``WRONG``: it did not get there and claims success;
- ``-``: it did not get there and does not claim to.
"""

import argparse
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

import fastgd
from bench.robustness import MAXITER, SCIPY, SCIPY_ENDED, print_row, slopes
from bench.timing import report
from fastgd import Status

OURS = {"x_scale=None": None, "x_scale=1": 1.0, 'x_scale="start"': "start", "x_scale=units": "units"}
THEIRS = ("BFGS", "L-BFGS-B")
QUICK = ("decay of counts", "Michaelis-Menten", "power law")


@dataclass(frozen=True, eq=False)
class Regression:
    """A curve, its parameters, and what is measured of it.

    `units` are the changes of the parameters that matter. `noise` is the standard deviation of the measurements, or
    "counts", whose variance is their mean.
    """

    name: str
    curve: Callable  # of t, *parameters
    t: np.ndarray
    truth: tuple[float, ...]
    starts: tuple[tuple[float, ...], tuple[float, ...]]  # a far one and a near one
    noise: float | str
    units: tuple[float, ...]

    @cached_property
    def measured(self):
        rng, mean = np.random.default_rng(0), self.curve(self.t, *self.truth)
        return rng.poisson(mean).astype(float) if self.noise == "counts" else rng.normal(mean, self.noise)

    def residuals(self, x):
        """At a point, (n_dim,) -> (m,)."""
        return self.curve(self.t, *x) - self.measured

    def value(self, x):
        """The sum of squares at one point."""
        return np.sum(self.residuals(x) ** 2)

    @cached_property
    def minimum(self):
        from scipy.optimize import least_squares

        units, size = np.array(self.units), np.sqrt(self.value(self.truth) / len(self.t))
        found = least_squares(lambda u: self.residuals(self.truth + units * u) / size, np.zeros(len(units)),
                              x_scale="jac", jac="3-point", ftol=1e-15, xtol=1e-15, gtol=1e-15)
        minimum = self.value(self.truth + units * found.x)
        assert found.success
        assert minimum <= self.value(self.truth)
        return minimum

    def steepest(self, x):
        """The largest component of the gradient in units of the parameters, in extended precision."""
        def in_units(columns):
            parameters = np.asarray(x, dtype=np.longdouble)[:, None] + np.array(self.units)[:, None] * columns
            curves = self.curve(self.t[:, None], *parameters[:, None])
            return np.sum((curves - self.measured[:, None]) ** 2, axis=0)

        return np.abs(slopes(in_units, np.zeros((len(x), 1)))).max()

    def verdict(self, x, ended, claims, start):
        excess, at_start = self.value(x) - self.minimum, self.value(start) - self.minimum
        if ended and excess <= 1e-6 * at_start + 1e-9 * self.minimum:
            return "ok"
        if not claims:
            return "-"
        return "elsewhere" if self.steepest(x) <= 1e-6 * self.steepest(start) else "WRONG"

    def run(self, side, start):
        """The verdict on a run, and its evaluations."""
        if side in OURS:
            x_scale = self.units if OURS[side] == "units" else OURS[side]
            options = {} if x_scale is None else {"x_scale": x_scale}
            result = fastgd.minimize(self.value, start, maxiter=MAXITER, **options)
            ended = result.success or result.status == Status.STALLED
        else:
            from scipy.optimize import minimize

            options = {"maxiter": MAXITER, "gtol": 1e-6, **SCIPY[side]}
            result = minimize(self.value, start, method=side, jac="3-point", options=options)
            ended = result.status in SCIPY_ENDED
        assert np.isclose(result.fun, self.value(result.x), rtol=1e-9, atol=0.0, equal_nan=True)
        return self.verdict(result.x, ended, result.success, start), result.nfev


def gaussian(t, height, centre, width, base):
    return base + height * np.exp(-(((t - centre) / width) ** 2) / 2.0)


REGRESSIONS = (
    Regression(  # counts, seconds
        "decay of counts", lambda t, height, time, base: height * np.exp(-t / time) + base,
        np.linspace(0.0, 150.0, 61), truth=(1e6, 30.0, 2e3), units=(1e6, 30.0, 2e3), noise="counts",
        starts=((3e5, 80.0, 0.0), (9e5, 25.0, 1e3))),
    Regression(  # W/m^2, m
        "spectral line", gaussian, np.linspace(6.49e-7, 6.51e-7, 81), truth=(1e-15, 6.5003e-7, 2e-10, 2e-16),
        units=(1e-15, 2e-10, 2e-10, 2e-16), noise=2e-17,
        starts=((4e-16, 6.499e-7, 4e-10, 4e-16), (9e-16, 6.5e-7, 2.2e-10, 1.5e-16))),
    Regression(  # magnitudes, days
        "peak on Julian dates", gaussian, 2457208.0 + np.linspace(0.0, 7.0, 71), truth=(0.8, 2457211.3, 0.5, 12.1),
        units=(0.8, 0.5, 0.5, 0.8), noise=0.02,
        starts=((0.3, 2457210.6, 1.0, 12.5), (0.7, 2457211.2, 0.6, 12.0))),
    Regression(  # mol/(l s), mol/l
        "Michaelis-Menten", lambda t, fastest, half: fastest * t / (half + t), np.linspace(0.5e-6, 40e-6, 30),
        truth=(2e-6, 5e-6), units=(2e-6, 5e-6), noise=2e-8, starts=((5e-6, 3e-5), (1.6e-6, 4e-6))),
    Regression(  # 1/s, J/mol, K
        "Arrhenius", lambda t, factor, energy: factor * np.exp(-energy / (8.314 * t)), np.linspace(290.0, 370.0, 17),
        truth=(3e7, 5e4), units=(3e7, 5e4), noise=1e-2, starts=((1e7, 4.5e4), (2.5e7, 4.9e4))),
    Regression(  # cells, hours
        "logistic growth", lambda t, most, rate, middle: most / (1.0 + np.exp(-rate * (t - middle))),
        np.linspace(0.0, 48.0, 49), truth=(1e9, 0.3, 20.0), units=(1e9, 0.3, 10.0), noise=1e7,
        starts=((5e8, 0.1, 30.0), (9e8, 0.25, 18.0))),
    Regression(  # Jy, Hz
        "power law", lambda t, factor, power: factor * t**power, np.geomspace(1e8, 1e10, 25), truth=(2e6, -0.7),
        units=(2e6, 0.7), noise=2e-2, starts=((1e6, -0.6), (1.6e6, -0.68))),
    Regression(  # m, s, Hz
        "damped oscillation", lambda t, height, time, frequency, phase: (
            height * np.exp(-t / time) * np.cos(2.0 * np.pi * frequency * t + phase)),
        np.linspace(0.0, 2e-3, 121), truth=(1e-9, 8e-4, 3e3, 0.5), units=(1e-9, 8e-4, 300.0, 1.0), noise=2e-11,
        starts=((5e-10, 1.5e-3, 2.9e3, 0.0), (9e-10, 7e-4, 2.98e3, 0.4))),
    Regression(  # K, Hz
        "Lorentzian", lambda t, height, centre, width: height / (1.0 + ((t - centre) / width) ** 2),
        np.linspace(1.418e9, 1.422e9, 81), truth=(3e-3, 1.4204e9, 2.5e5), units=(3e-3, 2.5e5, 2.5e5), noise=5e-5,
        starts=((1e-3, 1.42e9, 6e5), (2.7e-3, 1.4203e9, 3e5))),
    Regression(  # a share, hours
        "Weibull", lambda t, time, shape: -np.expm1(-((t / time) ** shape)), np.linspace(1e3, 6e4, 40),
        truth=(2.5e4, 1.8), units=(2.5e4, 1.8), noise=1e-2, starts=((6e4, 0.9), (2.2e4, 1.6))),
    Regression(  # A, s
        "two exponentials", lambda t, fast, short, slow, long: fast * np.exp(-t / short) + slow * np.exp(-t / long),
        np.linspace(0.0, 6e-2, 121), truth=(3e-9, 2e-3, 1e-9, 2e-2), units=(3e-9, 2e-3, 1e-9, 2e-2), noise=1e-11,
        starts=((1e-9, 5e-3, 2e-9, 5e-2), (2.5e-9, 2.5e-3, 1.2e-9, 1.7e-2))),
    Regression(  # m^3, days
        "Gompertz", lambda t, most, delay, rate: most * np.exp(-delay * np.exp(-rate * t)), np.linspace(0.0, 60.0, 31),
        truth=(1.5e-6, 5.0, 0.08), units=(1.5e-6, 5.0, 0.08), noise=1e-8,
        starts=((3e-6, 2.0, 0.03), (1.3e-6, 4.5, 0.09))),
)


def main():
    parser = argparse.ArgumentParser(prog="python -m bench.regressions", description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="three curves")
    quick = parser.parse_args().quick
    sides, verdicts = [*OURS, *THEIRS], {side: Counter() for side in (*OURS, *THEIRS)}
    print_row("verdict, evaluations", [f"{side:>17}" for side in sides])
    for regression in REGRESSIONS:
        if quick and regression.name not in QUICK:
            continue
        for start, distance in zip(regression.starts, ("far", "near"), strict=True):
            with np.errstate(all="ignore"):  # steps that are too long overflow
                runs = [regression.run(side, start) for side in sides]
            print_row(f"{regression.name}, {distance}", [f"{verdict:>10} {nfev:>6}" for verdict, nfev in runs])
            for side, (verdict, _) in zip(sides, runs, strict=True):
                verdicts[side][verdict] += 1
    n_runs = verdicts[sides[0]].total()
    print_row("share solved", [f"{verdicts[side]['ok'] / n_runs:>17.0%}" for side in sides])
    for verdict in ("elsewhere", "WRONG"):
        print_row(f"claims of success: {verdict}", [f"{verdicts[side][verdict]:>17}" for side in sides])
    best = max(verdicts[side]["ok"] for side in THEIRS)
    for side in OURS:
        report(f"{side}: solved by SciPy's better one / by fastgd", best / max(verdicts[side]["ok"], 1), 1.0)
        report(f"{side}: claims of success that are wrong", verdicts[side]["WRONG"], 0.0)


if __name__ == "__main__":
    main()
