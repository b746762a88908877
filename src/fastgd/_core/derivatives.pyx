"""Values, gradients and Hessians by themselves, without a descent.

Each function takes (n, n_dim) points, and the shape that they have for the user. With the answers it returns the first
point at which the step of a difference vanishes; if there is none, -2 if a point is not finite, or -1. At points that
are not finite the answers are nan.
"""
from libc.math cimport NAN, fabs

from .evaluation.calibration cimport ALONE, FOR_HESSIANS, Calibration
from .evaluation.evaluator cimport Evaluator
from .loop cimport annotate, index_of, lanes_for
from .memory.lanes cimport (
    Lanes,
    Needs,
    allocate,
    ask,
    begin_trust,
    count_limit,
    limit,
    nfev_of,
    place,
    place_bounds,
    rounded_capacity,
    scale_of,
)
from .memory.problems cimport MAXFEV_LIMIT, NOISE_LIMIT
from .memory.slab cimport Slab
from .objectives.argument cimport memory_of
from .objectives.objective cimport GRADIENT, HESSIAN, VALUE, Objective
from .stopping cimport STEP_UNDERFLOW

import numpy as np

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX

cdef double EPS = 2.0 ** -52


def values(Evaluator evaluator not None, const double[:, :] points, tuple shape):
    """f, as an array of the shape without its last axis."""
    return answers(evaluator, points, shape, None, None, None, VALUE, np.empty(shape[:max(len(shape) - 1, 0)]))


def gradient(Evaluator evaluator not None, const double[:, :] points, tuple shape, const double[:, :] lower=None,
             const double[:, :] upper=None, const double[:, :] x_scale=None, double[:, ::1] errors=None,
             Py_ssize_t[::1] nfev=None, const double[:] noise=None):
    """Gradients, as an array of the shape; their errors, nan where they are not known, go into `errors` (n, n_dim), and
    the numbers of evaluations into `nfev` (n,). The values of every problem may have known noise (n,)."""
    return answers(evaluator, points, shape, lower, upper, x_scale, GRADIENT, np.empty(shape), 0, errors, nfev, False,
                   noise)


def hessian(Evaluator evaluator not None, const double[:, :] points, tuple shape, const double[:, :] lower=None,
            const double[:, :] upper=None, const double[:, :] x_scale=None, Py_ssize_t first=0,
            double[:, ::1] errors=None, bint calibrates=False):
    """Hessians, as an array of the shape with its last axis twice. The points are those of problems with numbers from
    `first` on. Into `errors` (n, n_dim) comes what rounding may make of the diagonals. Steps may be calibrated first,
    as those of gradients."""
    cdef object out = np.empty(shape + shape[max(len(shape) - 1, 0):])
    return answers(evaluator, points, shape, lower, upper, x_scale, HESSIAN, out, first, errors, None, calibrates)


cdef tuple answers(Evaluator evaluator, const double[:, :] points, tuple shape, const double[:, :] lower,
                   const double[:, :] upper, const double[:, :] x_scale, int question, object out, Py_ssize_t first=0,
                   double[:, ::1] errors=None, Py_ssize_t[::1] nfev=None, bint calibrates=False, const double[:]
                   noise=None):
    """Fills the array `out` with what is asked for at every point."""
    cdef double *numbers = memory_of(out)
    cdef Lanes lanes
    cdef Slab slab = Slab()
    cdef Needs needs = Needs(0, 0, lower is not None, False, False, False, question == HESSIAN, x_scale is not None,
                             False, evaluator.calibrates)
    cdef Calibration calibration = None
    cdef Objective objective = evaluator.blocks.objective
    cdef Py_ssize_t i, lane, problem, n = points.shape[0], n_dim = points.shape[1]
    cdef Py_ssize_t size = 1 if question == VALUE else n_dim if question == GRADIENT else n_dim * n_dim
    cdef Py_ssize_t vanished = -1
    cdef bint finite = True
    allocate(&lanes, n_dim, rounded_capacity(lanes_for(objective, n), objective.has_differences), slab, needs)
    evaluator.prepare(&lanes, needs.hessians)
    evaluator.blocks.block.first = first
    if evaluator.calibrates and (question == GRADIENT or calibrates):
        calibration = Calibration(evaluator)
        calibration.prepare(&lanes)
    for problem in range(n):
        if place(&lanes, lanes.live, problem, &points[problem, 0], points.strides[1]):
            if lanes.bounded:
                place_bounds(&lanes, lanes.live, lower, upper)
            limit(&lanes, NOISE_LIMIT)[lanes.live] = 0.0 if noise is None else noise[problem]
            begin_trust(&lanes, lanes.live, x_scale, problem)
            count_limit(&lanes, MAXFEV_LIMIT)[lanes.live] = PY_SSIZE_T_MAX
            lanes.live += 1
        else:
            finite = False
            for i in range(size):
                numbers[problem * size + i] = NAN
            if nfev is not None:
                nfev[problem] = 0
            if errors is not None:
                errors[problem, :] = NAN
        if lanes.live == lanes.capacity or lanes.live and problem == n - 1:
            try:
                if calibration is not None:
                    evaluate(evaluator, &lanes, GRADIENT)
                    vanished = find_vanished(evaluator, &lanes, GRADIENT, vanished)
                    calibration.look_at_trials(FOR_HESSIANS if question == HESSIAN else ALONE)
                if question == HESSIAN or calibration is None:
                    evaluate(evaluator, &lanes, question)
                    vanished = find_vanished(evaluator, &lanes, question, vanished)
            except Exception as error:
                lane = evaluator.blocks.culprit()
                if lane >= 0:
                    where = index_of(lanes.problem[lane], shape[:len(shape) - 1])
                    annotate(error, f"fastgd: raised for problem {where}")
                raise
            for lane in range(lanes.live):
                write(&lanes, lane, question, numbers + lanes.problem[lane] * size)
                if errors is not None:
                    for i in range(n_dim):
                        errors[lanes.problem[lane], i] = (
                            rounding_error(evaluator, &lanes, lane, i) if question == HESSIAN
                            else calibration.errors[i * lanes.capacity + lane] if calibration is not None
                            else evaluator.differences.error_at(i * lanes.capacity + lane))
                if nfev is not None:
                    nfev[lanes.problem[lane]] = nfev_of(&lanes, lane)
            lanes.live = lanes.n_finished = 0
            lanes.factors_differ = False
    return out, vanished if vanished >= 0 or finite else -2


cdef int evaluate(Evaluator evaluator, Lanes *lanes, int question) except -1:
    """Asks in all lanes; for Hessians that are made by differences first what they start from."""
    cdef Py_ssize_t lane
    cdef int supplies = evaluator.blocks.objective.supplies
    if question == HESSIAN and not supplies & HESSIAN:
        evaluate(evaluator, lanes, GRADIENT if supplies & GRADIENT else VALUE)
    for lane in range(lanes.live):
        ask(lanes, lane, question)
    evaluator.evaluate()
    return 0


cdef Py_ssize_t find_vanished(Evaluator evaluator, const Lanes *lanes, int question, Py_ssize_t vanished):
    """The first problem whose step vanishes, or -1."""
    cdef Py_ssize_t lane
    for lane in range(lanes.live):
        if vanished < 0 and (lanes.fault[lane] == STEP_UNDERFLOW
                             or question == HESSIAN and step_vanishes(evaluator, lanes, lane)):
            vanished = lanes.problem[lane]
    return vanished


cdef bint step_vanishes(Evaluator evaluator, const Lanes *lanes, Py_ssize_t lane) noexcept nogil:
    """Whether between bounds that differ there was no room for the step of a Hessian."""
    cdef Py_ssize_t i, at
    cdef double x
    if not lanes.bounded or not evaluator.hessians.n_groups:
        return False
    for i in range(lanes.n_dim):
        at = i * lanes.capacity + lane
        x = scale_of(lanes, at) * lanes.trial.x[at]
        if x + evaluator.hessians.steps[at] == x and lanes.lower[at] < lanes.upper[at]:
            return True
    return False


cdef double rounding_error(Evaluator evaluator, const Lanes *lanes, Py_ssize_t lane, Py_ssize_t i) noexcept nogil:
    """Of the second derivative in coordinate i; one between equal bounds has none."""
    cdef Py_ssize_t at = i * lanes.capacity + lane
    cdef double h
    if not evaluator.hessians.n_groups or evaluator.hessians.steps[at] == 0.0:
        return 0.0
    h = fabs(evaluator.hessians.steps[at])
    if evaluator.blocks.objective.supplies & GRADIENT:
        return 2.0 * EPS * fabs(lanes.trial.g[at]) / h
    return 4.0 * EPS * fabs(lanes.trial.f[lane]) / (h * h)


cdef void write(const Lanes *lanes, Py_ssize_t lane, int question, double *out) noexcept nogil:
    """The answers of a lane, in a row, in the user's units."""
    cdef Py_ssize_t i, j, at, row = 0
    if question == VALUE:
        out[0] = lanes.trial.f[lane]
    elif question == GRADIENT:
        for i in range(lanes.n_dim):
            at = i * lanes.capacity + lane
            out[i] = lanes.trial.g[at] / scale_of(lanes, at)
    else:
        for i in range(lanes.n_dim):
            for j in range(i + 1):
                out[i * lanes.n_dim + j] = out[j * lanes.n_dim + i] = lanes.trial.H[row * lanes.capacity + lane] / (
                    scale_of(lanes, i * lanes.capacity + lane) * scale_of(lanes, j * lanes.capacity + lane))
                row += 1
