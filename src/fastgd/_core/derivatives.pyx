"""Gradients by themselves, without a descent."""
from libc.math cimport NAN

from .evaluation.evaluator cimport Evaluator
from .loop cimport annotate, index_of, lanes_for
from .memory.lanes cimport Lanes, Needs, allocate, ask, place, place_bounds, rounded_capacity
from .memory.slab cimport Slab
from .objectives.argument cimport memory_of
from .objectives.objective cimport GRADIENT, Objective
from .stopping cimport STEP_UNDERFLOW

import numpy as np


def gradient(Evaluator evaluator not None, const double[:, :] points, tuple shape, const double[:, :] lower=None,
             const double[:, :] upper=None):
    """Gradients at (n, n_dim) points as an array of the given shape, nan where those are not finite.

    With it comes the first point at which the step vanishes; if there is none, -2 if a point is not finite, or -1.
    """
    cdef object slopes = np.empty(shape)
    cdef double *out = memory_of(slopes)
    cdef Lanes lanes
    cdef Slab slab = Slab()
    cdef Needs needs = Needs(0, 0, lower is not None, False, False, False)
    cdef Objective objective = evaluator.blocks.objective
    cdef Py_ssize_t i, lane, problem, n = points.shape[0]
    cdef Py_ssize_t vanished = -1
    cdef bint finite = True
    allocate(&lanes, points.shape[1], rounded_capacity(lanes_for(objective, n), objective.has_differences), slab, needs)
    evaluator.prepare(&lanes, False)
    for problem in range(n):
        if place(&lanes, lanes.live, problem, &points[problem, 0], points.strides[1]):
            if lanes.bounded:
                place_bounds(&lanes, lanes.live, lower, upper)
            ask(&lanes, lanes.live, GRADIENT)
            lanes.live += 1
        else:
            finite = False
            for i in range(lanes.n_dim):
                out[problem * lanes.n_dim + i] = NAN
        if lanes.live == lanes.capacity or lanes.live and problem == n - 1:
            try:
                evaluator.evaluate()
            except Exception as error:
                lane = evaluator.blocks.culprit()
                if lane >= 0:
                    where = index_of(lanes.problem[lane], shape[:len(shape) - 1])
                    annotate(error, f"fastgd: raised for problem {where}")
                raise
            for lane in range(lanes.live):
                if vanished < 0 and lanes.fault[lane] == STEP_UNDERFLOW:
                    vanished = lanes.problem[lane]
                for i in range(lanes.n_dim):
                    out[lanes.problem[lane] * lanes.n_dim + i] = lanes.trial.g[i * lanes.capacity + lane]
            lanes.live = 0
    return slopes, vanished if vanished >= 0 or finite else -2
