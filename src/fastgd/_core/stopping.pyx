"""When a problem ends: `Status`, and the tests at an iterate."""
from enum import IntEnum

from cython cimport unlikely
from libc.math cimport fabs

from .lanes cimport AGAIN, Lanes, cost_of, nfev_of, nit_of
from .objective cimport VALUE

cdef extern from "rows.h":
    Py_ssize_t fastgd_list_small(Py_ssize_t *lanes, const double *norm, const double *gtol, Py_ssize_t n) noexcept nogil
    bint fastgd_norms(double *norm, const double *g, const double *gtol, Py_ssize_t stride, Py_ssize_t n_dim,
                      Py_ssize_t n) noexcept nogil
    bint fastgd_norms_inside(double *norm, const double *g, const double *x, const double *lower, const double *upper,
                             const double *gtol, Py_ssize_t stride, Py_ssize_t n_dim, Py_ssize_t n) noexcept nogil


class Status(IntEnum):
    """Why a problem ended; it succeeded if its status is not negative.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.minimize(lambda x: (x - 2)**2, 0.0, learning_rate=0.4).status
    <Status.GTOL: 0>
    """

    GTOL = 0
    XTOL = 1
    FTOL = 2
    FTARGET = 3
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

    @property
    def message(self):
        """What the status means, in a sentence."""
        return MESSAGES[self]


Status.__module__ = "fastgd"

MESSAGES = {
    Status.GTOL: "Converged: no component of the gradient exceeds gtol.",
    Status.XTOL: "Converged: the last step changed no coordinate by more than xtol.",
    Status.FTOL: "Converged: the last step improved the function by no more than ftol.",
    Status.FTARGET: "The function value reached ftarget.",
    Status.STALLED: "No further improvement of the function was possible.",
    Status.MAXITER: "The maximum number of iterations was reached.",
    Status.NONFINITE: "The function, its gradient or the next point was not finite; x is the last good point, or x0.",
    Status.CALLBACK: "The callback raised StopIteration.",
    Status.MAXFEV: "The next iteration might need more function evaluations than maxfev allows.",
    Status.MAXTIME: "The time limit was reached.",
    Status.STEP_UNDERFLOW: "The difference step is too small: x + h or x - h equals x in some coordinate.",
    Status.EXCEPTION: "The objective raised an exception; x is the last good point, or x0.",
    Status.UNBOUNDED: "The function is unbounded: it returned -inf, or inf where it is maximized.",
    Status.WORKER_LOST: "Every worker that got this problem died; x is the starting point.",
}


cdef bint measure_gradients(Lanes lanes) noexcept nogil:
    """Leaves max |g| of every lane in `lanes.norm`; where bounded, that of the projected gradient, in which a slope
    that leads outside from a bound counts as 0 (Calamai, More, Mathematical Programming 39, 1987). Returns whether
    one is at most gtol."""
    if lanes.bounded:
        return fastgd_norms_inside(lanes.norm, lanes.g, lanes.x, lanes.lower, lanes.upper, lanes.gtol, lanes.capacity,
                                   lanes.n_dim, lanes.live)
    return fastgd_norms(lanes.norm, lanes.g, lanes.gtol, lanes.capacity, lanes.n_dim, lanes.live)


cdef bint moved_at_most_xtol(Lanes lanes, Py_ssize_t lane) noexcept nogil:
    """|x - x_before| <= xtol * max(1, |x|) in every coordinate; that a rate of 0 moves nothing says nothing."""
    cdef Py_ssize_t i, at
    if lanes.learning_rate[lane] == 0.0:
        return False
    for i in range(lanes.n_dim):
        at = i * lanes.capacity + lane
        if not fabs(lanes.x[at] - lanes.y[at]) <= lanes.xtol[lane] * max(1.0, fabs(lanes.x[at])):
            return False
    return True


cdef bint fell_at_most_ftol(Lanes lanes, Py_ssize_t lane) noexcept nogil:
    """0 < f_before - f <= ftol * max(1, |f|)."""
    cdef double fall = lanes.f_y[lane] - lanes.f[lane]
    return (lanes.knows_f[lane] and lanes.knows_f_y[lane] and fall > 0.0
            and fall <= lanes.ftol[lane] * max(1.0, fabs(lanes.f[lane])))


cdef Py_ssize_t decide(Lanes lanes, Py_ssize_t lane) noexcept nogil:
    if lanes.norm[lane] <= lanes.gtol[lane]:
        return GTOL
    if nit_of(lanes, lane) > 0 and lanes.xtol[lane] > 0.0 and moved_at_most_xtol(lanes, lane):
        return XTOL
    if nit_of(lanes, lane) > 0 and fell_at_most_ftol(lanes, lane):
        return FTOL
    if lanes.knows_f[lane] and lanes.f[lane] <= lanes.ftarget[lane]:
        return FTARGET
    if nit_of(lanes, lane) >= lanes.maxiter[lane]:
        return MAXITER
    if nfev_of(lanes, lane) + cost_of(lanes, lane) > lanes.maxfev[lane]:
        return MAXFEV
    return RUNNING


cdef inline bint may_end(Lanes lanes, Py_ssize_t lane) noexcept nogil:
    """The common case of `decide`, for lanes that have no tolerance but gtol; and whether to look at one that is not at
    an iterate, whose norm may be of any other round."""
    return (lanes.norm[lane] <= lanes.gtol[lane] or nit_of(lanes, lane) >= lanes.maxiter[lane]
            or nfev_of(lanes, lane) + lanes.cost > lanes.maxfev[lane])


cdef bint search_is_over_budget(Lanes lanes, Py_ssize_t lane) noexcept nogil:
    """Between iterates: whether maxfev has no room for what is wanted and the gradient that may have to follow."""
    cdef bint knows_value = not lanes.want[lane] & VALUE
    return nfev_of(lanes, lane) + cost_of(lanes, lane) - knows_value > lanes.maxfev[lane]


cdef void test(Lanes lanes) noexcept nogil:
    """Ends the lanes that meet a criterion."""
    cdef Py_ssize_t k, lane, status, n = lanes.live
    cdef const Py_ssize_t *candidates = lanes.all_lanes
    cdef bint any_small = lanes.any_iterate and measure_gradients(lanes), limits_may_be_met
    lanes.rounds_left -= 1
    if unlikely(lanes.rounds_left < 0):
        lanes.look_ahead()
    limits_may_be_met = lanes.rounds_left < 0
    if not (lanes.tests_steps or limits_may_be_met):  # then a small gradient is all that ends a problem
        if not any_small:
            return
        n = fastgd_list_small(lanes.columns, lanes.norm, lanes.gtol, n)
        candidates = lanes.columns
    for k in range(n):
        lane = candidates[k]
        if lanes.status[lane] != RUNNING or not (lanes.tests_steps or may_end(lanes, lane)):
            continue
        if lanes.phase[lane] == AGAIN:
            status = MAXFEV if search_is_over_budget(lanes, lane) else RUNNING
        else:
            status = decide(lanes, lane)
        if status != RUNNING:
            lanes.finish(lane, status)
