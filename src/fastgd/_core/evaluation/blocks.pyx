"""Blocks: how what the lanes want becomes calls to the objective, and the answers theirs."""
from cython cimport final, unlikely
from libc.math cimport isfinite
from libc.string cimport memcpy, memset

from ..memory.slab cimport take_integers
from ..objectives.objective cimport GRADIENT, HESSIAN, LATE, VALUE
from ..stopping cimport EXCEPTION
from .clock cimport time_is_over

cdef Py_ssize_t MOST_PADDING = 64  # columns by which an objective may widen a block


cdef inline void repeat(double *row, Py_ssize_t n, Py_ssize_t n_total) noexcept nogil:
    """Fills n_total columns of a row with copies of its first n."""
    if n == 1:
        repeat_first(row, 1, n_total)
        return
    while n < n_total:
        memcpy(row + n, row, min(n, n_total - n) * sizeof(double))
        n *= 2


cdef void change_sign(double *row, const double *origin, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(n):
        row[j] = -origin[j]


cdef int refuse_less(Objective objective, str method, Py_ssize_t supplied, Py_ssize_t wanted) except -1 nogil:
    """What an objective returns tells that it has supplied less than was wanted."""
    with gil:
        raise RuntimeError(f"{type(objective).__name__}.{method} returned {supplied}, where {wanted} was expected")


@final
cdef class Blocks:
    """The calls to an objective, each with a block of points, and the memory for them."""

    def __init__(self, Objective objective not None, Clock clock not None, bint maximize):
        self.objective = objective
        self.clock = clock
        self.sign = -1.0 if maximize else 1.0
        self.slab = Slab()

    cdef int prepare(self, Lanes *lanes, bint hessians) except -1:
        """Takes the memory. With fewer problems than it has lanes an objective still gets blocks of the width it likes,
        filled with the points of their stencils."""
        self.lanes = lanes
        self.width = max(self.objective.width, lanes.capacity)
        self.room = self.width + MOST_PADDING if self.width > 1 else 1
        if 8.0 * self.room * (2.0 * lanes.n_dim + 4.0) >= 2.0**63:
            raise OverflowError(f"{self.room} points of {lanes.n_dim} dimensions side by side: their size overflows")
        self.lay_out(hessians)
        self.slab.allocate("blocks", lanes.capacity, lanes.n_dim)
        self.lay_out(hessians)
        memset(self.block.failed, 0, self.room * sizeof(bint))
        self.block.problems = self.problems
        self.block.n_failed = self.block.first = 0
        self.block.culprit = self.unwritten = -1
        self.block.n_dim = lanes.n_dim
        self.block.deadline = &self.clock.deadline
        return 0

    cdef void lay_out(self, bint hessians) noexcept:
        cdef Py_ssize_t n_dim = self.lanes.n_dim
        cdef Objective objective = self.objective
        self.f = self.slab.take(self.room)
        self.other_f = self.slab.take(self.room)
        self.problems = take_integers(self.slab, self.room)
        self.block.failed = <bint *>self.slab.take(self.room)
        self.base = self.slab.take(n_dim * self.lanes.capacity)
        if not objective.owns_points:
            self.x = self.slab.take(n_dim * self.room)
        if objective.supplies & GRADIENT or objective.has_differences:
            self.g = self.slab.take(n_dim * self.room)
        if hessians and objective.supplies & HESSIAN:
            self.H = self.slab.take(n_dim * (n_dim + 1) // 2 * self.room)

    cdef int open(self, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n, Py_ssize_t n_copies) except -1 nogil:
        """Fills the block with the points x of n lanes, n_copies times side by side; leaves its padding to `pad`."""
        cdef Block *block = &self.block
        cdef Py_ssize_t i
        cdef double *row
        self.lane_of = lane_of
        self.n_lanes = n
        self.n_columns = n_copies * n
        block.x = self.x
        block.n_points = block.stride = n_copies * n
        block.culprit = -1
        self.objective.prepare(block)
        if not self.objective.owns_points:
            block.stride = block.n_points
        for i in range(block.n_dim):
            row = block.x + i * block.stride
            memcpy(row, x + i * self.lanes.capacity, n * sizeof(double))
            repeat(row, n, n_copies * n)
        self.name_problems(lane_of, n)
        block.out.g = self.g
        block.out.H = self.H
        return 0

    cdef bint open_in_place(self, double *x, const Py_ssize_t *lane_of, Py_ssize_t n) except -1 nogil:
        """Makes the rows of x, those of n lanes `side_by_side`, themselves the block; false if the objective wants
        another one. Columns behind the n repeat the first. Where x is that of the lanes, so are the outputs."""
        cdef Block *block = &self.block
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t i
        if self.objective.owns_points:
            return False
        self.lane_of = lane_of
        self.n_lanes = self.n_columns = block.n_points = n
        block.x = x
        block.stride = lanes.capacity
        block.culprit = -1
        self.objective.prepare(block)
        if block.n_points > lanes.capacity:
            return False
        self.name_problems(lane_of, n)
        for i in range(block.n_dim):
            repeat_first(x + i * block.stride, n, block.n_points)
        block.out.g = lanes.trial.g if x == lanes.trial.x else self.g
        block.out.H = lanes.trial.H if x == lanes.trial.x else self.H
        return True

    cdef void name_problems(self, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil:
        """Whose points the columns of a block are: those of n lanes, perhaps several times, and copies of the first."""
        cdef Py_ssize_t column, first = self.block.first
        cdef Py_ssize_t *problems = self.problems
        cdef const Py_ssize_t *problem = self.lanes.problem
        if are_first_lanes(lane_of, n):
            for column in range(n):
                problems[column] = problem[column] + first
        else:
            for column in range(n):
                problems[column] = problem[lane_of[column]] + first
        for column in range(n, self.n_columns):
            problems[column] = problems[column - n]
        for column in range(self.n_columns, self.block.n_points):
            problems[column] = problems[0]

    cdef void pad(self, Py_ssize_t n_used) noexcept nogil:
        """Makes the columns that are not used copies of live ones of the same problem, so that the user's function is
        never called at other points, where it might raise."""
        cdef Block *block = &self.block
        cdef Py_ssize_t i, column
        cdef double *row
        if n_used == block.n_points:
            return
        for i in range(block.n_dim):
            row = block.x + i * block.stride
            for column in range(n_used, self.n_columns):
                row[column] = row[column - n_used]
            repeat_first(row, self.n_columns, block.n_points)

    cdef int call(self, int want) except -1 nogil:
        """Evaluates the block, into `values` and `block.out`; returns the mask of what was supplied, or 0 if the time
        is over."""
        cdef Block *block = &self.block
        cdef Py_ssize_t column
        cdef int supplied
        if time_is_over(self.clock):
            return 0
        # the values of a pair are needed together
        self.f, self.other_f = self.other_f, self.f
        block.out.f = self.f
        self.values_before = self.values
        supplied = self.objective.evaluate(block, want)
        self.values = block.out.f
        if unlikely(supplied == LATE):
            return 0
        if unlikely(not supplied & want):
            refuse_less(self.objective, "evaluate", supplied, want)
        if self.sign < 0.0:
            self.change_signs(supplied)
        if block.n_failed:
            for column in range(self.n_columns):
                if block.failed[column]:
                    note_fault(self.lanes, self.lane_of[column % self.n_lanes], EXCEPTION)
            memset(block.failed, 0, block.n_points * sizeof(bint))
            block.n_failed = 0
        return supplied

    cdef void change_signs(self, int supplied) noexcept nogil:
        """What is maximized is minimized as its negative."""
        cdef Block *block = &self.block
        cdef Py_ssize_t i, n_dim = block.n_dim
        if supplied & VALUE:
            change_sign(self.f, self.values, block.n_points)
            self.values = self.f
        if supplied & GRADIENT:
            for i in range(n_dim):
                change_sign(block.out.g + i * block.stride, block.out.g + i * block.stride, block.n_points)
        if supplied & HESSIAN:
            for i in range(n_dim * (n_dim + 1) // 2):
                change_sign(block.out.H + i * block.stride, block.out.H + i * block.stride, block.n_points)

    cdef int evaluate_points(self, const Py_ssize_t *lane_of, Py_ssize_t n, int want) except -1 nogil:
        """What the objective itself supplies, at the trial points of n lanes; 1 if the time ran out."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t n_dim = lanes.n_dim, n_gradients
        cdef double *x
        cdef int supplied
        if unlikely(self.width == 1 and not self.may_be_asked(lanes.trial.x, lane_of[0])):
            return 0
        if self.width == 1 and self.objective.takes_points:
            open_point(self, lanes.trial.x, lane_of)
        else:
            x = side_by_side(self, lane_of, n)
            if not self.open_in_place(x, lane_of, n):
                self.open(x, lane_of, n, 1)
                self.pad(n)
        supplied = self.call(want)
        n_gradients = (supplied & GRADIENT) != 0
        if want & (VALUE | GRADIENT):
            lanes.gradients_came = n_gradients
        count(lanes, lane_of, n, ((supplied & VALUE) != 0) + n_gradients * self.objective.gradient_cost, n_gradients)
        if supplied & VALUE:
            self.take_values(lane_of, n)
        if supplied & GRADIENT:
            self.take_rows(lanes.trial.g, self.block.out.g, n_dim, lane_of, n)
        if supplied & HESSIAN:
            self.take_rows(lanes.trial.H, self.block.out.H, n_dim * (n_dim + 1) // 2, lane_of, n)
        if unlikely(supplied and supplied & want != want and not lanes.any_fault):
            refuse_less(self.objective, "evaluate", supplied, want)
        return supplied == 0

    cdef double *gather_points(self, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil:
        """`side_by_side` for some of the lanes."""
        cdef Py_ssize_t i, j, at
        for i in range(self.lanes.n_dim):
            at = i * self.lanes.capacity
            for j in range(n):
                self.base[at + j] = self.lanes.trial.x[at + lane_of[j]]
        return self.base

    cdef bint may_be_asked(self, const double *x, Py_ssize_t lane) noexcept nogil:
        """A function of one point that raises at inf must not be asked there: notes the fault where x is not finite."""
        cdef Py_ssize_t i
        for i in range(self.lanes.n_dim):
            if unlikely(not isfinite(x[i])):
                note_fault(self.lanes, lane, NONFINITE)
                return False
        return True

    cdef void take_values(self, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil:
        """The values of the last call, in its first n columns."""
        cdef Py_ssize_t j
        cdef Lanes *lanes = self.lanes
        for j in range(n):
            lanes.trial.f[lane_of[j]] = self.values[j]
            lanes.trial.knows_f[lane_of[j]] = True
            note_value(self, lane_of[j], self.values[j])

    cdef void take_rows(self, double *rows, const double *answers, Py_ssize_t n_rows, const Py_ssize_t *lane_of,
                        Py_ssize_t n) noexcept nogil:
        """Gradients or Hessians that stand in rows like those of the block; perhaps where they belong."""
        cdef Py_ssize_t i, j, at
        cdef const double *row
        cdef Lanes *lanes = self.lanes
        for i in range(n_rows):
            at = i * lanes.capacity
            row = answers + i * self.block.stride
            if answers != rows:
                for j in range(n):
                    rows[at + lane_of[j]] = row[j]
            if are_first_lanes(lane_of, n) and fastgd_are_finite(row, n) and (
                    i >= lanes.n_dim or fastgd_are_finite(lanes.trial.x + at, n)):
                continue
            for j in range(n):
                if not isfinite(row[j]) or i < lanes.n_dim and not isfinite(lanes.trial.x[at + lane_of[j]]):
                    note_fault(lanes, lane_of[j], NONFINITE)
                    note_unwritten(self, lane_of[j], row[j])

    cdef Py_ssize_t culprit(self) noexcept nogil:
        """The lane whose evaluation raised, or -1 if that is not known."""
        if self.unwritten >= 0:
            return self.unwritten
        if self.block.culprit < 0:
            return -1
        if self.block.culprit >= self.n_columns:
            return self.lane_of[0]
        return self.lane_of[self.block.culprit % self.n_lanes]
