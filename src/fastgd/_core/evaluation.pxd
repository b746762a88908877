from libc.math cimport INFINITY, isfinite

from .lanes cimport Lanes
from .objective cimport Objective
from .stopping cimport NONFINITE, UNBOUNDED


cdef extern from "clock.h":
    double fastgd_seconds() noexcept nogil

cdef extern from "rows.h":
    bint fastgd_is_unwritten(double value) noexcept nogil
    void fastgd_fill(double *row, double value, Py_ssize_t n) noexcept nogil


cdef inline void note_fault(Lanes lanes, Py_ssize_t lane, Py_ssize_t status) noexcept nogil:
    """Of several faults in one evaluation the lowest Status stands, so that the order of the calls does not matter."""
    lanes.fault[lane] = min(lanes.fault[lane], status)
    lanes.any_fault = True


cdef inline void note_unwritten(Lanes lanes, Py_ssize_t lane, double output) noexcept nogil:
    """A compiled function leaves the mark of an output that it has not written in block_f; elsewhere it is any nan."""
    if lanes.block.values == NULL and fastgd_is_unwritten(output) and (
            lanes.unwritten < 0 or lanes.problem[lane] < lanes.problem[lanes.unwritten]):
        lanes.unwritten = lane


cdef inline void note_value(Lanes lanes, Py_ssize_t lane, double value) noexcept nogil:
    if not isfinite(value):
        note_fault(lanes, lane, UNBOUNDED if value == -INFINITY else NONFINITE)
        note_unwritten(lanes, lane, value)


cdef inline bint are_first_lanes(const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil:
    """Lanes are listed in ascending order, so that the last one tells."""
    return lane_of[n - 1] == n - 1


cdef inline void repeat_first(double *row, Py_ssize_t n, Py_ssize_t n_total) noexcept nogil:
    """Fills the columns of a row from n on with its first."""
    if n < n_total:
        fastgd_fill(row + n, row[0], n_total - n)


cdef double *gather_points(Lanes lanes, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil


cdef inline double *side_by_side(Lanes lanes, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil:
    """The trial points of n lanes as a matrix of n columns, behind which there are no other points: y itself where they
    are all that live."""
    return lanes.y if n == lanes.live else gather_points(lanes, lane_of, n)


cdef inline void count(Lanes lanes, const Py_ssize_t *lane_of, Py_ssize_t n, Py_ssize_t n_values,
                       Py_ssize_t n_gradients) noexcept nogil:
    cdef Py_ssize_t j
    if n == lanes.live:
        lanes.nfev_of_all += n_values
        lanes.njev_of_all += n_gradients
        return
    for j in range(n):
        lanes.nfev[lane_of[j]] += n_values
        lanes.njev[lane_of[j]] += n_gradients


cdef inline void open_point(Lanes lanes, double *x, const Py_ssize_t *lane_of) noexcept nogil:
    """Makes the block consist of one point alone, x, which is that of the first of these lanes."""
    lanes.block_lanes = lane_of
    lanes.n_block_lanes = lanes.n_block_columns = 1
    lanes.block_problems[0] = lanes.problem[lane_of[0]] + lanes.block.first
    lanes.block.x = x
    lanes.block.n_points = 1
    lanes.block.stride = lanes.capacity
    lanes.block.culprit = -1


cdef int open_block(Lanes lanes, Objective objective, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n,
                    Py_ssize_t n_copies) except -1 nogil
cdef bint open_in_place(Lanes lanes, Objective objective, double *x, const Py_ssize_t *lane_of,
                        Py_ssize_t n) except -1 nogil
cdef void pad(Lanes lanes, Py_ssize_t n_used) noexcept nogil
cdef bint may_be_asked(Lanes lanes, const double *x, Py_ssize_t lane) noexcept nogil
cdef void take_values(Lanes lanes, const double *values, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil


cdef int refuse_less(Objective objective, str method, Py_ssize_t supplied, Py_ssize_t wanted) except -1 nogil


cdef class Evaluator:
    cdef public double deadline  # no call to the objective begins after it,
    cdef bint is_closing         # but for the values at the answers, unless it is 0
    cdef int evaluate(self, Lanes lanes, Objective objective) except -1 nogil
    cdef int evaluate_as_wanted(self, Lanes lanes, Objective objective) except -1 nogil
    cdef int evaluate_lanes(self, Lanes lanes, Objective objective, const Py_ssize_t *lane_of, Py_ssize_t n,
                            Py_ssize_t want) except -1 nogil
    cdef int evaluate_points(self, Lanes lanes, Objective objective, const Py_ssize_t *lane_of, Py_ssize_t n,
                             int want) except -1 nogil
    cdef int take_differences(self, Lanes lanes, Objective objective, const Py_ssize_t *lane_of,
                              Py_ssize_t n) except -1 nogil
    cdef int call(self, Lanes lanes, Objective objective, int want, double *slopes=*) except -1 nogil


cdef inline bint time_is_over(Evaluator evaluator) noexcept nogil:
    if evaluator.is_closing:
        return evaluator.deadline == 0.0
    return evaluator.deadline < INFINITY and fastgd_seconds() > evaluator.deadline
