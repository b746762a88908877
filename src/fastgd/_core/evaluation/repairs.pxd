from libc.math cimport cbrt, fabs, isfinite

from ..memory.lanes cimport Lanes, unit_of
from ..memory.slab cimport Slab
from .blocks cimport Blocks
from .stencils cimport power_of_two_below

cdef double RATIO
cdef double SHORTEST
cdef double LONGEST
cdef double MARGIN
cdef double SEEN
cdef double SMALL_ERROR
cdef double LARGE_CHANGE


cdef struct Repair:
    # The search for a better step in one coordinate of a lane.
    Py_ssize_t lane
    bint grows          # steps become longer, not shorter
    bint is_over
    double h            # the step to try next,
    double slope        # the slope at the step before, nan if it was not seen,
    double change       # and how it differed from the one before that
    double height       # how far the values there were from f
    double best_h       # 0 if none is better than what there was
    double factor       # by which to shorten that, because truncation is the larger part of its error
    double best_slope
    double best_error
    double best_curvature


cdef class Repairs:
    cdef Blocks blocks
    cdef Slab slab
    cdef Lanes *lanes
    # (capacity,)
    cdef Repair *repairs
    cdef Py_ssize_t *some     # their lanes
    cdef double *p            # offsets of the points of a pair
    cdef double *q
    cdef double *a            # and the values there
    cdef double *b
    cdef int prepare(self, Lanes *lanes) except -1
    cdef void lay_out(self) noexcept nogil
    cdef int find(self, Py_ssize_t i, Py_ssize_t n) except -1 nogil
    cdef void advance(self, Repair *repair, Py_ssize_t i, Py_ssize_t k) noexcept nogil
    cdef int probe_all(self, Py_ssize_t i, Py_ssize_t n) except -1 nogil
    cdef int probe(self, Py_ssize_t i, Py_ssize_t start, Py_ssize_t n) except -1 nogil


cdef inline double size_of(const Lanes *lanes, Py_ssize_t at) noexcept nogil:
    """Of a coordinate of a trial point, as steps see it."""
    return max(unit_of(lanes, at), fabs(lanes.trial.x[at]))


cdef inline double shortened(double rounding, double truncation) noexcept nogil:
    """The power of two by which a step is to be multiplied so that both its errors are of one size; at most by 1."""
    return min(power_of_two_below(max(cbrt(0.5 * rounding / truncation), 2.0 ** -10)), 1.0)


cdef inline double bend_of(double rise, double other_rise, double p, double q) noexcept nogil:
    """p^2 times the second derivative, from the values at x + p and x + q less that at x."""
    return 2.0 * p * ((rise / p - other_rise / q) / (p - q)) * p


cdef inline double curvature_of(double bend, double p, double eps) noexcept nogil:
    """0 if it is not seen beyond the rounding of the values, or is not finite."""
    cdef double curvature = bend / (p * p)
    return curvature if fabs(bend) > SEEN * eps and isfinite(curvature) else 0.0
