"""Gradients by themselves, without a descent."""
from libc.math cimport NAN

from .evaluation.calibration cimport Calibration
from .evaluation.evaluator cimport Evaluator
from .loop cimport annotate, index_of, lanes_for
from .memory.lanes cimport (
    Lanes,
    Needs,
    allocate,
    ask,
    begin_trust,
    count_limit,
    nfev_of,
    place,
    place_bounds,
    rounded_capacity,
    scale_of,
)
from .memory.problems cimport MAXFEV_LIMIT
from .memory.slab cimport Slab
from .objectives.argument cimport memory_of
from .objectives.objective cimport GRADIENT, Objective
from .stopping cimport STEP_UNDERFLOW

import numpy as np

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX


def gradient(Evaluator evaluator not None, const double[:, :] points, tuple shape, const double[:, :] lower=None,
             const double[:, :] upper=None, const double[:, :] x_scale=None, double[:, ::1] errors=None,
             Py_ssize_t[::1] nfev=None):
    """Gradients at (n, n_dim) points as an array of the given shape, nan where those are not finite; their errors and
    the numbers of evaluations go into the arrays for them.

    With it comes the first point at which the step vanishes; if there is none, -2 if a point is not finite, or -1.
    """
    cdef object slopes = np.empty(shape)
    cdef double *out = memory_of(slopes)
    cdef Lanes lanes
    cdef Slab slab = Slab()
    cdef Needs needs
    cdef Objective objective = evaluator.blocks.objective
    cdef Calibration calibration = None
    cdef Py_ssize_t i, lane, problem, n = points.shape[0]
    cdef Py_ssize_t vanished = -1
    cdef bint finite = True
    needs = Needs(0, 0, lower is not None, False, False, False, x_scale is not None, False, evaluator.calibrates)
    allocate(&lanes, points.shape[1], rounded_capacity(lanes_for(objective, n), objective.has_differences), slab, needs)
    evaluator.prepare(&lanes, False)
    if evaluator.calibrates:
        calibration = Calibration(evaluator)
        calibration.prepare(&lanes)
    for problem in range(n):
        if place(&lanes, lanes.live, problem, &points[problem, 0], points.strides[1]):
            if lanes.bounded:
                place_bounds(&lanes, lanes.live, lower, upper)
            begin_trust(&lanes, lanes.live, x_scale, problem)
            count_limit(&lanes, MAXFEV_LIMIT)[lanes.live] = PY_SSIZE_T_MAX
            ask(&lanes, lanes.live, GRADIENT)
            lanes.live += 1
        else:
            finite = False
            for i in range(lanes.n_dim):
                out[problem * lanes.n_dim + i] = NAN
            if nfev is not None:
                nfev[problem] = 0
            if errors is not None:
                errors[problem, :] = NAN
        if lanes.live == lanes.capacity or lanes.live and problem == n - 1:
            try:
                evaluator.evaluate()
                vanished = find_vanished(&lanes, vanished)
                if calibration is not None:
                    calibration.look_at_trials()
            except Exception as error:
                lane = evaluator.blocks.culprit()
                if lane >= 0:
                    where = index_of(lanes.problem[lane], shape[:len(shape) - 1])
                    annotate(error, f"fastgd: raised for problem {where}")
                raise
            for lane in range(lanes.live):
                for i in range(lanes.n_dim):
                    out[lanes.problem[lane] * lanes.n_dim + i] = (
                        lanes.trial.g[i * lanes.capacity + lane] / scale_of(&lanes, i * lanes.capacity + lane))
                    if errors is not None:
                        errors[lanes.problem[lane], i] = (
                            calibration.errors[i * lanes.capacity + lane] if calibration is not None else NAN)
                if nfev is not None:
                    nfev[lanes.problem[lane]] = nfev_of(&lanes, lane)
            lanes.live = lanes.n_finished = 0
            lanes.factors_differ = False
    return slopes, vanished if vanished >= 0 or finite else -2


cdef Py_ssize_t find_vanished(const Lanes *lanes, Py_ssize_t vanished) noexcept:
    """The first problem whose step vanishes."""
    cdef Py_ssize_t lane
    for lane in range(lanes.live):
        if vanished < 0 and lanes.fault[lane] == STEP_UNDERFLOW:
            vanished = lanes.problem[lane]
    return vanished
