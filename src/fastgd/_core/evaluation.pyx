"""Blocks: how what the lanes want becomes calls to the objective, and the answers theirs."""
from cython cimport final, unlikely
from libc.math cimport INFINITY, isfinite
from libc.string cimport memcpy, memset

from .lanes cimport Lanes
from .objective cimport GRADIENT, LATE, VALUE, Block, Objective
from .stopping cimport EXCEPTION, NONFINITE, RUNNING

cdef extern from "rows.h":
    bint fastgd_all_are(const Py_ssize_t *numbers, Py_ssize_t number, Py_ssize_t n) noexcept nogil
    bint fastgd_are_finite(const double *row, Py_ssize_t n) noexcept nogil


cdef inline void repeat(double *row, Py_ssize_t n, Py_ssize_t n_total) noexcept nogil:
    """Fills n_total columns of a row with copies of its first n."""
    if n == 1:
        repeat_first(row, 1, n_total)
        return
    while n < n_total:
        memcpy(row + n, row, min(n, n_total - n) * sizeof(double))
        n *= 2


cdef int open_block(Lanes lanes, Objective objective, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n,
                    Py_ssize_t n_copies) except -1 nogil:
    """Fills the block with the points x of n lanes, n_copies times side by side; leaves its padding to `pad`."""
    cdef Block *block = &lanes.block
    cdef Py_ssize_t i
    cdef double *row
    lanes.block_lanes = lane_of
    lanes.n_block_lanes = n
    lanes.n_block_columns = n_copies * n
    block.x = lanes.block_x
    block.n_points = block.stride = n_copies * n
    block.culprit = -1
    objective.prepare(block)
    if not objective.owns_points:
        block.stride = block.n_points
    for i in range(block.n_dim):
        row = block.x + i * block.stride
        memcpy(row, x + i * lanes.capacity, n * sizeof(double))
        repeat(row, n, n_copies * n)
    name_problems(lanes, lane_of, n)
    return 0


cdef bint open_in_place(Lanes lanes, Objective objective, double *x, const Py_ssize_t *lane_of,
                        Py_ssize_t n) except -1 nogil:
    """Makes the rows of x, those of n lanes `side_by_side`, themselves the block; false if the objective wants another
    one. Columns behind the n repeat the first."""
    cdef Block *block = &lanes.block
    cdef Py_ssize_t i
    if objective.owns_points:
        return False
    lanes.block_lanes = lane_of
    lanes.n_block_lanes = lanes.n_block_columns = block.n_points = n
    block.x = x
    block.stride = lanes.capacity
    block.culprit = -1
    objective.prepare(block)
    if block.n_points > lanes.capacity:
        return False
    name_problems(lanes, lane_of, n)
    for i in range(block.n_dim):
        repeat_first(x + i * block.stride, n, block.n_points)
    return True


cdef void name_problems(Lanes lanes, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil:
    """Whose points the columns of a block are: those of n lanes, perhaps several times, and copies of the first."""
    cdef Py_ssize_t column, first = lanes.block.first
    cdef Py_ssize_t *problems = lanes.block_problems
    if are_first_lanes(lane_of, n):
        for column in range(n):
            problems[column] = lanes.problem[column] + first
    else:
        for column in range(n):
            problems[column] = lanes.problem[lane_of[column]] + first
    for column in range(n, lanes.n_block_columns):
        problems[column] = problems[column - n]
    for column in range(lanes.n_block_columns, lanes.block.n_points):
        problems[column] = problems[0]


cdef void pad(Lanes lanes, Py_ssize_t n_used) noexcept nogil:
    """Makes the columns that are not used copies of live ones of the same problem, so that the user's function is
    never called at a point that nobody asked for, where it might raise."""
    cdef Block *block = &lanes.block
    cdef Py_ssize_t i, column
    cdef double *row
    if n_used == block.n_points:
        return
    for i in range(block.n_dim):
        row = block.x + i * block.stride
        for column in range(n_used, lanes.n_block_columns):
            row[column] = row[column - n_used]
        repeat_first(row, lanes.n_block_columns, block.n_points)


cdef double *gather_points(Lanes lanes, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil:
    """`side_by_side` for some of the lanes."""
    cdef Py_ssize_t i, j
    for i in range(lanes.n_dim):
        for j in range(n):
            lanes.base[i * lanes.capacity + j] = lanes.y[i * lanes.capacity + lane_of[j]]
    return lanes.base


cdef bint may_be_asked(Lanes lanes, const double *x, Py_ssize_t lane) noexcept nogil:
    """A function of one point that raises at inf must not be asked there: notes the fault where x is not finite."""
    cdef Py_ssize_t i
    for i in range(lanes.n_dim):
        if unlikely(not isfinite(x[i])):
            note_fault(lanes, lane, NONFINITE)
            return False
    return True


cdef void take_values(Lanes lanes, const double *values, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(n):
        lanes.f_y[lane_of[j]] = values[j]
        lanes.knows_f_y[lane_of[j]] = True
        note_value(lanes, lane_of[j], values[j])


cdef void take_gradients(Lanes lanes, const double *slopes, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil:
    """Gradients that stand in rows like those of the block; perhaps where they belong."""
    cdef Py_ssize_t i, j, at
    cdef const double *row
    for i in range(lanes.n_dim):
        at = i * lanes.capacity
        row = slopes + i * lanes.block.stride
        if slopes != lanes.g_y:
            for j in range(n):
                lanes.g_y[at + lane_of[j]] = row[j]
        if are_first_lanes(lane_of, n) and fastgd_are_finite(row, n) and fastgd_are_finite(lanes.y + at, n):
            continue
        for j in range(n):
            if not isfinite(row[j]) or not isfinite(lanes.y[at + lane_of[j]]):
                note_fault(lanes, lane_of[j], NONFINITE)
                note_unwritten(lanes, lane_of[j], row[j])


cdef int refuse_less(Objective objective, str method, Py_ssize_t supplied, Py_ssize_t wanted) except -1 nogil:
    """What an objective returns tells that it has supplied less than was wanted."""
    with gil:
        raise RuntimeError(f"{type(objective).__name__}.{method} returned {supplied}, where {wanted} was expected")


cdef class Evaluator:
    """Evaluates lanes; a subclass says how to get gradients from values."""

    def __cinit__(self):
        self.deadline = INFINITY

    @final
    cdef int evaluate(self, Lanes lanes, Objective objective) except -1 nogil:
        """Evaluates what lanes want at their y into f_y and g_y; 1 if the time ran out before that.

        While a lane wants a value and no more, those that want gradients wait, so that nearly all of them get theirs
        in the same calls.
        """
        cdef Py_ssize_t lane, n = 0
        cdef int late
        if unlikely(lanes.any_fault):
            for lane in range(lanes.live):
                lanes.fault[lane] = RUNNING
            lanes.any_fault = False
        if lanes.want_in_common < 0 and fastgd_all_are(lanes.want, lanes.want[0], lanes.live):
            lanes.want_in_common = lanes.want[0]
        lanes.gradients_wait = False
        if lanes.want_in_common >= 0:
            late = self.evaluate_lanes(lanes, objective, lanes.all_lanes, lanes.live, lanes.want_in_common)
        else:
            for lane in range(lanes.live):
                lanes.value_lanes[n] = lane
                n += lanes.want[lane] == VALUE
            if n:
                lanes.gradients_wait = True
                late = self.evaluate_lanes(lanes, objective, lanes.value_lanes, n, VALUE)
            elif objective.has_gradient:
                late = self.evaluate_as_wanted(lanes, objective)
            else:
                late = self.take_differences(lanes, objective, lanes.all_lanes, lanes.live)
        if unlikely(lanes.unwritten >= 0):
            with gil:
                raise RuntimeError("the compiled function returned 0 but left an output unwritten")
        return late

    @final
    cdef int evaluate_as_wanted(self, Lanes lanes, Objective objective) except -1 nogil:
        """Gradients of the objective's own: a call for lanes that want the value, too, and one for the others."""
        cdef Py_ssize_t want, lane, n
        for want in range(GRADIENT, (VALUE | GRADIENT) + 1):
            n = 0
            for lane in range(lanes.live):
                lanes.gradient_lanes[n] = lane
                n += lanes.want[lane] == want
            if n and self.evaluate_lanes(lanes, objective, lanes.gradient_lanes, n, want):
                return 1
        return 0

    @final
    cdef int evaluate_lanes(self, Lanes lanes, Objective objective, const Py_ssize_t *lane_of, Py_ssize_t n,
                            Py_ssize_t want) except -1 nogil:
        if want == VALUE or objective.has_gradient:
            return self.evaluate_points(lanes, objective, lane_of, n, want)
        return self.take_differences(lanes, objective, lane_of, n)

    cdef int take_differences(self, Lanes lanes, Objective objective, const Py_ssize_t *lane_of,
                              Py_ssize_t n) except -1 nogil:
        """Gradients from values, and values where they are wanted; 1 if the time ran out."""
        with gil:
            raise NotImplementedError("a subclass of Evaluator overrides take_differences")

    @final
    cdef int call(self, Lanes lanes, Objective objective, int want, double *slopes=NULL) except -1 nogil:
        """Evaluates the block, into `values`; returns the mask of what was supplied, or 0 if the time is over."""
        cdef Block *block = &lanes.block
        cdef Py_ssize_t column
        cdef int supplied
        if time_is_over(self):
            return 0
        block.deadline = &self.deadline
        block.values = NULL
        # the values of a pair are needed together
        lanes.block_f, lanes.other_block_f = lanes.other_block_f, lanes.block_f
        lanes.values_before = lanes.values
        supplied = objective.evaluate(block, want, lanes.block_f, slopes)
        lanes.values = lanes.block_f if block.values == NULL else block.values
        if unlikely(supplied == LATE):
            return 0
        if unlikely(not supplied & want):
            refuse_less(objective, "evaluate", supplied, want)
        if block.n_failed:
            for column in range(lanes.n_block_columns):
                if block.failed[column]:
                    note_fault(lanes, lanes.block_lanes[column % lanes.n_block_lanes], EXCEPTION)
            memset(block.failed, 0, block.n_points * sizeof(bint))
            block.n_failed = 0
        return supplied

    @final
    cdef int evaluate_points(self, Lanes lanes, Objective objective, const Py_ssize_t *lane_of, Py_ssize_t n,
                             int want) except -1 nogil:
        """Values, or the objective's own gradients, at the trial points of n lanes; 1 if the time ran out."""
        cdef Py_ssize_t supplies_gradients
        cdef double *x
        cdef double *slopes = lanes.block_g
        cdef int supplied
        if unlikely(lanes.width == 1 and not may_be_asked(lanes, lanes.y, lane_of[0])):
            return 0
        if lanes.width == 1 and objective.takes_points:
            open_point(lanes, lanes.y, lane_of)
            slopes = lanes.g_y
        else:
            x = side_by_side(lanes, lane_of, n)
            if not open_in_place(lanes, objective, x, lane_of, n):
                open_block(lanes, objective, x, lane_of, n, 1)
                pad(lanes, n)
            elif x == lanes.y:
                slopes = lanes.g_y
        supplied = self.call(lanes, objective, want, slopes)
        supplies_gradients = lanes.gradients_came = (supplied & GRADIENT) != 0
        count(lanes, lane_of, n, ((supplied & VALUE) != 0) + supplies_gradients * objective.gradient_cost,
              supplies_gradients)
        if supplied & VALUE:
            take_values(lanes, lanes.values, lane_of, n)
        if supplied & GRADIENT:
            take_gradients(lanes, slopes, lane_of, n)
        if unlikely(supplied and supplied & want != want and not lanes.any_fault):
            refuse_less(objective, "evaluate", supplied, want)
        return supplied == 0
