from libc.math cimport INFINITY

from .memory.lanes cimport Lanes, limit
from .memory.problems cimport FTARGET_LIMIT, FTOL_LIMIT
from .objectives.objective cimport VALUE


cpdef enum Code:
    # The values of `Status`, and RUNNING for a lane that has none yet.
    RUNNING = 100
    GTOL = 0
    XTOL = 1
    FTOL = 2
    FTARGET = 3
    PRECISION = 4
    STALLED = -1
    MAXITER = -2
    NONFINITE = -3
    CALLBACK = -4
    MAXFEV = -5
    MAXTIME = -6
    STEP_UNDERFLOW = -7
    EXCEPTION = -8
    UNBOUNDED = -9
    WORKER_LOST = -10


cpdef enum Reason:
    # What was seen where a problem ended without success, with two numbers.
    NONE = 0
    NO_LOWER = 1       # the largest slope, and its error
    CONTRADICTION = 2  # two slopes
    JAC = 3            # the change along a short way by jac, and by values
    ABOVE_START = 4    # f, and f at the start
    NO_DIFFERENCE = 5  # f, and its rounding


cdef void test(Lanes *lanes) noexcept nogil
cdef Py_ssize_t decide(Lanes *lanes, Py_ssize_t lane) noexcept nogil
cdef double size_at(Lanes *lanes, Py_ssize_t lane) noexcept nogil


cdef inline bint needs_values(const Lanes *lanes, Py_ssize_t lane) noexcept nogil:
    """Whether a limit of the problem is on values of the function."""
    return limit(lanes, FTOL_LIMIT)[lane] > 0.0 or limit(lanes, FTARGET_LIMIT)[lane] > -INFINITY


cdef inline Py_ssize_t cost_of(const Lanes *lanes, Py_ssize_t lane) noexcept nogil:
    """Of an iteration: `cost`, or one less."""
    return lanes.cost - 1 if lanes.differences_need_f and lanes.want_at_iterate[lane] & VALUE else lanes.cost
