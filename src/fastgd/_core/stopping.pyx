"""When a problem ends: `Status`, and the tests at an iterate."""
from enum import IntEnum

from cython cimport unlikely
from libc.math cimport fabs

from .memory.lanes cimport AGAIN, count_limit, finish, nfev_of, nit_of, scale_of
from .memory.problems cimport GTOL_LIMIT, LEARNING_RATE, MAXFEV_LIMIT, MAXITER_LIMIT, XTOL_LIMIT

cdef extern from "stopping.h":
    bint fastgd_measure_gradients(Lanes *lanes, Py_ssize_t n) noexcept nogil
    Py_ssize_t fastgd_list_small(Lanes *lanes) noexcept nogil
    void fastgd_look_ahead(Lanes *lanes, Py_ssize_t n) noexcept nogil


class Status(IntEnum):
    """Why a problem ended; it succeeded if its status is not negative.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.minimize(lambda x: (x - 2)**2, 0.0, learning_rate=0.4).status
    <Status.GTOL: 0>
    """

    GTOL = Code.GTOL, "Converged: no component of the gradient exceeds gtol."
    XTOL = Code.XTOL, "Converged: the last step changed no coordinate by more than xtol."
    FTOL = Code.FTOL, "Converged: the last step improved the function by no more than ftol."
    FTARGET = Code.FTARGET, "The function value reached ftarget."
    PRECISION = (Code.PRECISION, "Converged: no component of the gradient exceeds what rounding of the function allows "
                 "to see.")
    STALLED = Code.STALLED, "No further improvement of the function was possible."
    MAXITER = Code.MAXITER, "The maximum number of iterations was reached."
    NONFINITE = (Code.NONFINITE, "The function, its gradient or the next point was not finite; x is the last good "
                 "point, or x0.")
    CALLBACK = Code.CALLBACK, "The callback raised StopIteration."
    MAXFEV = Code.MAXFEV, "The next iteration might need more function evaluations than maxfev allows."
    MAXTIME = Code.MAXTIME, "The time limit was reached."
    STEP_UNDERFLOW = (Code.STEP_UNDERFLOW, "The difference step is too small: x + h or x - h equals x in some "
                      "coordinate.")
    EXCEPTION = Code.EXCEPTION, "The objective raised an exception; x is the last good point, or x0."
    UNBOUNDED = Code.UNBOUNDED, "The function is unbounded: it returned -inf, or inf where it is maximized."
    WORKER_LOST = Code.WORKER_LOST, "Every worker that got this problem died; x is the starting point."

    def __new__(cls, value, message):
        status = int.__new__(cls, value)
        status._value_ = int(value)
        status._message = message
        return status

    @property
    def message(self):
        """What the status means, in a sentence."""
        return self._message


Status.__module__ = "fastgd"


# In units of x / scale; and the part of x that this is at least.
cdef double NEAR = 1e-8
cdef double LAST_DIGITS = 2.0 ** -22


cdef bint moved_at_most_xtol(Lanes *lanes, Py_ssize_t lane) noexcept nogil:
    """|x - x_before| <= xtol * max(unit, |x|) in every coordinate, with the scale as the unit unless that was found and
    is larger than 1; that a rate of 0 moves nothing says nothing."""
    cdef Py_ssize_t i, at
    cdef double floor
    cdef double xtol = limit(lanes, XTOL_LIMIT)[lane]
    if limit(lanes, LEARNING_RATE)[lane] == 0.0:
        return False
    for i in range(lanes.n_dim):
        at = i * lanes.capacity + lane
        floor = min(1.0, 1.0 / scale_of(lanes, at)) if lanes.finds_scale else 1.0
        if not fabs(lanes.here.x[at] - lanes.trial.x[at]) <= xtol * max(floor, fabs(lanes.here.x[at])):
            return False
    return True


cdef bint fell_at_most_ftol(Lanes *lanes, Py_ssize_t lane) noexcept nogil:
    """0 < f_before - f <= ftol * max(|f|, min(1, |f at the start|))."""
    cdef double fall = lanes.trial.f[lane] - lanes.here.f[lane], first_f = fabs(lanes.trust.first_f[lane])
    cdef double floor = first_f if first_f < 1.0 else 1.0
    return (lanes.here.knows_f[lane] and lanes.trial.knows_f[lane] and fall > 0.0
            and fall <= limit(lanes, FTOL_LIMIT)[lane] * max(floor, fabs(lanes.here.f[lane])))


cdef bint is_near(Lanes *lanes, Py_ssize_t lane) noexcept nogil:
    """Whether the gradient would be zero not farther away than NEAR, or some last digits of x, by the secant of the
    last step.

    A gradient that is small beside the first one may still be large where that was at the top of a wall.
    """
    cdef Py_ssize_t i, at
    cdef double step = 0.0, change = 0.0, size = 1.0
    if nit_of(lanes, lane) == 0:
        return True
    for i in range(lanes.n_dim):
        at = i * lanes.capacity + lane
        step = max(step, fabs(lanes.here.x[at] - lanes.trial.x[at]))
        change = max(change, fabs(lanes.here.g[at] - lanes.trial.g[at]))
        size = max(size, fabs(lanes.here.x[at]) * LAST_DIGITS)
    return lanes.norm[lane] * step <= NEAR * size * change


cdef Py_ssize_t decide(Lanes *lanes, Py_ssize_t lane) noexcept nogil:
    if lanes.size[lane] <= limit(lanes, GTOL_LIMIT)[lane] and (not lanes.must_be_near or is_near(lanes, lane)):
        return GTOL
    if nit_of(lanes, lane) > 0 and limit(lanes, XTOL_LIMIT)[lane] > 0.0 and moved_at_most_xtol(lanes, lane):
        return XTOL
    if nit_of(lanes, lane) > 0 and fell_at_most_ftol(lanes, lane):
        return FTOL
    if lanes.here.knows_f[lane] and lanes.here.f[lane] <= limit(lanes, FTARGET_LIMIT)[lane]:
        return FTARGET
    if nit_of(lanes, lane) >= count_limit(lanes, MAXITER_LIMIT)[lane]:
        return MAXITER
    if nfev_of(lanes, lane) + cost_of(lanes, lane) > count_limit(lanes, MAXFEV_LIMIT)[lane]:
        return MAXFEV
    return RUNNING


cdef inline bint may_end(Lanes *lanes, Py_ssize_t lane) noexcept nogil:
    """The common case of `decide`, for lanes that have no tolerance but gtol; and whether to look at one that is not at
    an iterate, whose norm may be of any other round."""
    return (lanes.size[lane] <= limit(lanes, GTOL_LIMIT)[lane]
            or nit_of(lanes, lane) >= count_limit(lanes, MAXITER_LIMIT)[lane]
            or nfev_of(lanes, lane) + lanes.cost > count_limit(lanes, MAXFEV_LIMIT)[lane])


cdef bint search_is_over_budget(Lanes *lanes, Py_ssize_t lane) noexcept nogil:
    """Between iterates: whether maxfev has no room for what is wanted and the gradient that may have to follow."""
    cdef bint knows_value = not lanes.want[lane] & VALUE
    return nfev_of(lanes, lane) + cost_of(lanes, lane) - knows_value > count_limit(lanes, MAXFEV_LIMIT)[lane]


cdef void test(Lanes *lanes) noexcept nogil:
    """Ends the lanes that meet a criterion."""
    cdef Py_ssize_t k, lane, status, n = lanes.live
    cdef const Py_ssize_t *candidates = lanes.all_lanes
    cdef bint any_small = lanes.any_iterate and fastgd_measure_gradients(lanes, lanes.live), limits_may_be_met
    lanes.rounds_left -= 1
    if unlikely(lanes.rounds_left < 0):
        fastgd_look_ahead(lanes, lanes.live)
    limits_may_be_met = lanes.rounds_left < 0
    if not (lanes.tests_steps or limits_may_be_met):  # then a small gradient is all that ends a problem
        if not any_small:
            return
        n = fastgd_list_small(lanes)
        candidates = lanes.candidates
    for k in range(n):
        lane = candidates[k]
        if lanes.status[lane] != RUNNING or not (lanes.tests_steps or may_end(lanes, lane)):
            continue
        if lanes.phase[lane] == AGAIN:
            status = MAXFEV if search_is_over_budget(lanes, lane) else RUNNING
        else:
            status = decide(lanes, lane)
        if status == RUNNING:
            continue
        if lanes.doubts_gtol and status == GTOL or lanes.doubts_all and status >= 0 and status != FTARGET:
            lanes.claims[lane] = status
            lanes.doubtful[lanes.n_doubtful] = lane
            lanes.n_doubtful += 1
        else:
            finish(lanes, lane, status)


cdef double size_at(Lanes *lanes, Py_ssize_t lane) noexcept nogil:
    """Measures the projected gradient at the iterate of a lane again; returns its size in the units of gtol."""
    cdef Py_ssize_t i, at
    cdef double slope
    lanes.norm[lane] = lanes.size[lane] = 0.0
    for i in range(lanes.n_dim):
        at = i * lanes.capacity + lane
        slope = lanes.here.g[at]
        if lanes.bounded and lanes.here.x[at] == (lanes.lower[at] if slope > 0.0 else lanes.upper[at]):
            continue
        lanes.norm[lane] = max(lanes.norm[lane], fabs(slope))
        if lanes.size != lanes.norm:
            if lanes.gtol_is_absolute:
                slope /= scale_of(lanes, at)
            lanes.size[lane] = max(lanes.size[lane], fabs(slope))
    return lanes.size[lane]
