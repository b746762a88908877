"""The problems of Moré, Garbow and Hillstrom against the paper, other programs, and SciPy's Levenberg-Marquardt."""

import pickle

import numpy as np
import pytest
from scipy.optimize import least_squares

from bench.problems import PROBLEMS, STANDARD

BY_NAME = {problem.name: problem for problem in PROBLEMS}
each_problem = pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
each_standard_problem = pytest.mark.parametrize("problem", STANDARD, ids=lambda problem: problem.name)

# Sums of squares at the starts. Rational values are exact; the others come from Moré and Wild's own functions
# (github.com/POptUS/BenDFO), or, where these have none, from scalar loops that follow the paper's indices.
AT_START = {
    "rosenbrock_2": 24.2, "freudenstein_roth_2": 400.5, "powell_badly_scaled_2": 1.13526171734838,
    "brown_badly_scaled_2": 999998000003, "beale_2": 14.203125, "jennrich_sampson_2": 4171.30616196049,
    "helical_valley_3": 2500, "bard_3": 41.681695861678, "gaussian_3": 3.88810699116688e-6,
    "meyer_3": 1693607809.43615, "gulf_3": 12.1107058255695, "box_3": 1031.1538106094, "powell_singular_4": 215,
    "wood_4": 19192, "kowalik_osborne_4": 5.31317227210854e-3, "brown_dennis_4": 7926693.33699743,
    "osborne_1_5": 0.87902629354464, "biggs_exp6_6": 0.77907007565597, "osborne_2_11": 2.09341951421206,
    "watson_6": 30, "watson_9": 30, "rosenbrock_10": 5 * 24.2, "rosenbrock_30": 15 * 24.2,
    "powell_singular_12": 3 * 215, "penalty_1_10": (385 - 0.25) ** 2 + 285e-5, "penalty_2_10": 162.652776565967,
    "variably_dimensioned_10": 3.85 + 38.5**2 + 38.5**4, "trigonometric_10": 7.07575946622284e-3,
    "brown_almost_linear_10": 9 * 5.5**2 + (1 - 0.5**10) ** 2,
    "discrete_boundary_value_10": 7.8851910126482e-4, "discrete_integral_equation_10": 0.0634168415794527,
    "broyden_tridiagonal_10": 21, "broyden_tridiagonal_30": 41, "broyden_banded_10": 360, "broyden_banded_30": 1080,
    "linear_full_rank_10": 80, "linear_rank_1_10": 129707925, "linear_rank_1_with_zeros_10": 73511026,
    "chebyquad_8": 0.0386176982859303, "chebyquad_10": 0.0337632654628801, "rosenbrock_2_far": 1795769,
    "freudenstein_roth_2_far": 154575360, "helical_valley_3_far": 10600, "bard_3_far": 1306.23354981576,
    "powell_singular_4_far": 1615400, "brown_dennis_4_far": 308106428512.941, "osborne_2_11_far": 199.684679048549,
    "watson_6_far": 2323367.37205191, "watson_9_far": 8158876.62521072, "linear_full_rank_10_far": 1250,
    "linear_rank_1_10_far": 12983410050, "linear_rank_1_with_zeros_10_far": 7360411570,
}

# The same at x_i = i / 10, for problems with terms that vanish or coincide at the start.
AT_TENTHS = {
    "powell_badly_scaled_2": (1e4 * 0.02 - 1) ** 2 + (np.exp(-0.1) + np.exp(-0.2) - 1.0001) ** 2,
    "powell_singular_4": 2.1**2 + 5 * 0.1**2 + 0.4**4 + 10 * 0.3**4,
    "wood_4": 100 * 0.19**2 + 0.9**2 + 90 * 0.31**2 + 0.7**2 + 10 * 1.4**2 + 0.2**2 / 10,
    "watson_6": 32.1659163792941, "penalty_2_10": 123.220265210345,
}

# Points near the minimum, for the problems whose start leads to another one.
NEARBY = {"freudenstein_roth_2": [4, 3], "trigonometric_10": [0.01] * 10, "brown_almost_linear_10": [0.9] * 10,
          "chebyquad_10": [0.07, 0.17, 0.29, 0.36, 0.47, 0.61, 0.62, 0.80, 0.84, 0.97]}

# Minimizers known exactly.
SOLUTIONS = {"rosenbrock_2": [1, 1], "freudenstein_roth_2": [5, 4], "brown_badly_scaled_2": [1e6, 2e-6],
             "beale_2": [3, 0.5], "helical_valley_3": [1, 0, 0], "gulf_3": [50, 25, 1.5], "box_3": [1, 10, 1],
             "powell_singular_4": [0] * 4, "wood_4": [1] * 4, "biggs_exp6_6": [1, 10, 1, 5, 4, 3],
             "rosenbrock_30": [1] * 30, "variably_dimensioned_10": [1] * 10, "trigonometric_10": [0] * 10,
             "brown_almost_linear_10": [1] * 10, "linear_full_rank_10": [-1] * 10}

# Minima from the paper, and from NIST's Statistical Reference Datasets MGH09, MGH10 and MGH17.
PAPER = {"jennrich_sampson_2": 124.362, "bard_3": 8.21487e-3, "gaussian_3": 1.12793e-8, "brown_dennis_4": 85822.2,
         "osborne_2_11": 4.01377e-2, "watson_6": 2.28767e-3, "watson_9": 1.39976e-6, "penalty_1_10": 7.08765e-5,
         "penalty_2_10": 2.93660e-4, "chebyquad_8": 3.51687e-3}
NIST = {"kowalik_osborne_4": 3.0750560385e-4, "meyer_3": 8.7945855171e1, "osborne_1_5": 5.4648946975e-5}

# Other minima in closed form: a point with a singular Jacobian, and limits in which only one constant is left to fit.
BARD_Y = [.14, .18, .22, .25, .29, .32, .35, .39, .37, .58, .73, .96, 1.34, 2.10, 4.39]
CLOSED_FORMS = {"freudenstein_roth_2": (316384 - 59840 * 22**0.5) / 729, "beale_2": 14.203125 - 13.875**2 / 14,
                "bard_3": 15 * np.var(BARD_Y)}

# Points near the other minima, in the same order, or far out if the minimum is a limit.
NEAR_OTHERS = {
    "freudenstein_roth_2": [[11, -1]], "beale_2": [[-1e7, 1]], "jennrich_sampson_2": [[-40, 0.33]],
    "bard_3": [[0.8, -1e12, -1e12]], "box_3": [[0.6, 1e9, 1.3]], "kowalik_osborne_4": [[1e12, -14, -4.5e13, -2.8e13]],
    "biggs_exp6_6": [[1.7, 17.7, -12, 5, 1.7, 14]], "osborne_2_11": [10 * BY_NAME["osborne_2_11"].start],
    "trigonometric_10": [[0.05, 0.05, 0.05, 0.06, 0.06, 0.06, 0.22, 0.07, 0.14, 0.09],
                         [0.06, 0.06, 0.06, 0.06, 0.06, 0.07, 0.21, 0.16, 0.09, 0.09],
                         [0.05, 0.06, 0.06, 0.06, 0.06, 0.26, 0.07, 0.07, 0.08, 0.08],
                         [0.06, 0.06, 0.07, 0.07, 0.28, 0.08, 0.08, 0.08, 0.08, 0.08]],
    "brown_almost_linear_10": [[0] * 9 + [11]],
    "broyden_banded_10": [[0.2, 0.3, 0.4, 0.4, 0.6, 0.7, 0.8, 0.9, 1, 1],
                          [0.2, 0.3, 0.2, 0.2, 0.2, 0.2, 0.2, 0, -0.1, -0.2]],
    "broyden_banded_30": [[0.2] * 22 + [0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 0.8, 0.8]],
    "chebyquad_10": [[0.06, 0.17, 0.24, 0.40, 0.40, 0.60, 0.60, 0.76, 0.83, 0.94],
                     [0.03, 0.13, 0.21, 0.39, 0.39, 0.61, 0.61, 0.79, 0.87, 0.97]],
}


def least(problem, start, max_nfev=1000):
    """The sum of squares where SciPy's Levenberg-Marquardt ends."""
    with np.errstate(all="ignore"):  # long steps overflow
        result = least_squares(problem.residuals, start, jac="3-point", method="lm", ftol=1e-15, xtol=1e-15, gtol=1e-15,
                               max_nfev=max_nfev)
    return 2 * result.cost


def close(expected, digits=1e-10):
    """Ten digits, as many as rounding leaves of the smallest residuals; 1e-20 counts as zero."""
    return pytest.approx(expected, rel=digits, abs=1e-20)


def test_set():
    assert len(BY_NAME) == len(PROBLEMS) == len(AT_START) == 52
    assert all(problem.minimum < min(problem.other_minima, default=np.inf) for problem in PROBLEMS)


@each_problem
def test_start(problem):
    assert problem.start.shape == (problem.n_dim,)
    assert not problem.start.flags.writeable
    assert type(problem.value(problem.start)) is float
    assert problem.value(problem.start) == pytest.approx(AT_START[problem.name], rel=1e-12)


@pytest.mark.parametrize(("name", "value"), AT_TENTHS.items())
def test_value_at_another_point(name, value):
    assert BY_NAME[name].value(np.arange(1, BY_NAME[name].n_dim + 1) / 10) == pytest.approx(value, rel=1e-12)


@each_problem
def test_columns_equal_singles(problem):
    columns = problem.start[:, None] + np.random.default_rng(0).uniform(0, 0.1, (problem.n_dim, 5))
    before = columns.copy()
    residuals = problem.residuals(columns)
    singles = [problem.residuals(x) for x in columns.T]
    assert residuals.shape == (len(singles[0]), 5)
    assert problem.residuals(columns[:, :0]).shape == (len(singles[0]), 0)
    np.testing.assert_allclose(residuals.T, singles, rtol=1e-12, atol=1e-14 * np.abs(residuals).max())
    np.testing.assert_array_equal(columns, before)


@each_standard_problem
def test_minimum_is_attained(problem):
    assert least(problem, NEARBY.get(problem.name, problem.start)) == close(problem.minimum)


@pytest.mark.parametrize("name", [*NEARBY, *(problem.name for problem in PROBLEMS if problem.name.endswith("_far"))])
def test_other_runs_end_at_known_minima(name):
    problem = BY_NAME[name]
    found = least(problem, problem.start)
    assert any(found == close(value) for value in (problem.minimum, *problem.other_minima))


@each_problem
def test_minimum_is_not_undercut(problem):
    shift = (0.01 + 0.2 * abs(problem.start)) * np.random.default_rng(1).normal(size=problem.n_dim)
    assert least(problem, problem.start + shift, max_nfev=100) >= problem.minimum * (1 - 1e-10)


@each_standard_problem
def test_other_minima_are_attained(problem):
    points = NEAR_OTHERS.get(problem.name, [])
    for value, point in zip(problem.other_minima, points, strict=True):
        assert least(problem, point) == close(value, 1e-6 if np.max(np.abs(point)) > 1e6 else 1e-10)


@pytest.mark.parametrize(("name", "x"), SOLUTIONS.items())
def test_exact_minimizers(name, x):
    assert BY_NAME[name].value(x) == close(BY_NAME[name].minimum)


@pytest.mark.parametrize(("values", "digits"), [(PAPER, 1e-5), (NIST, 2e-11)], ids=["paper", "NIST"])
def test_published_minima(values, digits):
    assert {name: BY_NAME[name].minimum for name in values} == pytest.approx(values, rel=digits)


def test_other_minima_in_closed_form():
    assert {name: BY_NAME[name].other_minima[0] for name in CLOSED_FORMS} == pytest.approx(CLOSED_FORMS, rel=1e-11)


def test_angle_of_the_helical_valley():
    """The paper's theta = arctan(x2 / x1) / 2 pi, plus 1/2 for negative x1."""
    for x1, x2 in [(1.0, 2.0), (1.0, -2.0), (-1.0, 2.0), (-1.0, -2.0), (-1.0, 0.0), (-1.0, -0.0)]:
        theta = np.arctan(x2 / x1) / (2 * np.pi) + (0.5 if x1 < 0 else 0.0)
        assert BY_NAME["helical_valley_3"].residuals([x1, x2, 0.0])[0] == pytest.approx(-100 * theta, rel=1e-14)


@each_problem
def test_problems_can_be_sent_to_processes(problem):
    copy = pickle.loads(pickle.dumps(problem))
    assert (copy.name, copy.value(copy.start)) == (problem.name, problem.value(problem.start))
