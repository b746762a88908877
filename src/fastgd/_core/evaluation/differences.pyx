"""Gradients by central differences, from values at the points of a stencil."""
from cython cimport final, likely, unlikely
from libc.math cimport NAN, fabs, isfinite
from libc.string cimport memcpy

from ..memory.slab cimport take_integers
from ..objectives.objective cimport GRADIENT, VALUE, Block
from ..stopping cimport EXCEPTION, NONFINITE
from .blocks cimport (
    are_first_lanes,
    count,
    fastgd_are_finite,
    groups_per_call,
    note_fault,
    note_value,
    open_point,
    refuse_less,
    repeat_first,
    side_by_side,
)
from .clock cimport time_is_over
from .stencils cimport (
    LEVEL_RATIO,
    N_LEVELS,
    Table,
    Tableau,
    add_level,
    begin_tableau,
    length_of_rows,
    plane,
    slope_of_pair,
)

cdef extern from "memory/loops.h":
    double EPSILON "FASTGD_EPSILON"

cdef extern from "evaluation/stencils.h":
    bint fastgd_quotients(double given, double *g, const double *first, const double *second, const double *x,
                          Py_ssize_t n) noexcept nogil
    bint fastgd_row_of_quotients(double *g, const double *first, const double *second, const double *h,
                                 bint are_powers_of_two, Py_ssize_t n) noexcept nogil
    bint fastgd_divide(double *g, const double *h, bint are_powers_of_two, Py_ssize_t n) noexcept nogil


cdef void note_nonfinite(Blocks blocks, Py_ssize_t lane, double first, double second) noexcept nogil:
    """A quotient is not finite: because of one of its values, or by overflow."""
    note_fault(blocks.lanes, lane, NONFINITE)
    note_value(blocks, lane, first)
    note_value(blocks, lane, second)


cdef inline void copy_few(double *row, const double *origin, Py_ssize_t n) noexcept nogil:
    if n == 1:  # a call takes longer
        row[0] = origin[0]
    else:
        memcpy(row, origin, n * sizeof(double))


cdef inline double *moved_row(Stencil stencil, Py_ssize_t point) noexcept nogil:
    """Of a point of the stencil, in the order in which they are evaluated."""
    return plane(stencil, point % stencil.n_moves) + point // stencil.n_moves * stencil.lanes.capacity


cdef inline void move_columns(Block *block, const double *x, Py_ssize_t i, Py_ssize_t column,
                              Py_ssize_t n) noexcept nogil:
    """Moves n columns of the block, in coordinate i, to x."""
    copy_few(block.x + i * block.stride + column, x, n)


@final
cdef class Differences:
    """(f(x + h) - f(x - h)) / (2h) in every coordinate.

    Near a bound the one-sided formula of the same order is used: (4 f(x + h) - f(x + 2h) - 3 f(x)) / (2h).
    """

    def __init__(self, Blocks blocks not None, Stencil stencil not None):
        self.blocks = blocks
        self.stencil = stencil
        self.slab = Slab()

    cdef int prepare(self) except -1:
        cdef Py_ssize_t time
        self.lanes = self.blocks.lanes
        self.stencil.prepare(self.blocks)
        for time in range(2):
            self.some_lanes = take_integers(self.slab, self.lanes.capacity)
            self.columns = take_integers(self.slab, self.lanes.capacity)
            if self.stencil.is_adaptive:
                self.errors = self.slab.take(self.lanes.n_dim * self.lanes.capacity)
            if time == 0:
                self.slab.allocate("lists", self.lanes.capacity, self.lanes.n_dim)
        return 0

    cdef int take(self, const Py_ssize_t *lane_of, Py_ssize_t n) except -1 nogil:
        """Gradients by differences, and values where they are wanted; 1 if the time ran out."""
        cdef Lanes *lanes = self.lanes
        cdef double *x = side_by_side(self.blocks, lane_of, n)
        cdef Py_ssize_t j, n_values = 0
        self.stencil.choose()
        if self.stencil.by_rows:
            self.stencil.fill_rows(x, lane_of, n)
        if self.stencil.is_forward:
            self.stencil.ask_for_middle(lane_of, n)
        if not self.gradients_alone and (lanes.want_in_common < 0 or lanes.want_in_common & VALUE):
            for j in range(n):
                self.some_lanes[n_values] = lane_of[j]
                n_values += lanes.want[lane_of[j]] & VALUE
        if 0 < n_values < n:
            if self.blocks.evaluate_points(self.some_lanes, n_values, VALUE):
                return 1
            x = side_by_side(self.blocks, lane_of, n)  # other points were gathered
        if unlikely(self.blocks.width == 1 and not self.blocks.may_be_asked(x, lane_of[0])):
            return 0
        if self.blocks.objective.takes_points or self.has_differences():
            if n_values == n and self.blocks.evaluate_points(lane_of, n, VALUE):
                return 1
            if self.blocks.objective.takes_points:
                return self.take_moved(x, lane_of, n)
            return self.take_own_differences(x, lane_of, n)
        if groups_per_call(self.blocks.width, n, self.stencil.n_moves * lanes.n_dim) > 1:
            return self.evaluate_together(x, lane_of, n, n_values == n)
        return self.evaluate_stencil(x, lane_of, n, n_values == n)

    cdef bint has_differences(self) noexcept nogil:
        """Whether the objective's own differences are to be used: they do not tell the values."""
        return self.blocks.objective.has_differences and self.stencil.is_pair and self.first_values == NULL

    cdef int take_moved(self, double *x, const Py_ssize_t *lane_of, Py_ssize_t n) except -1 nogil:
        """`evaluate_stencil` for an objective of one point, which is gathered once unless it is the only one."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t i, j, k, n_values, n_points = self.stencil.n_moves * lanes.n_dim
        cdef Block *block = &self.blocks.block
        cdef double *moved = self.stencil.moved
        if unlikely(not self.stencil.set_pairs(x, lane_of, n) and self.blocks.width == 1):
            for k in range(self.stencil.n_moves):
                if not self.blocks.may_be_asked(plane(self.stencil, k), lane_of[0]):
                    return 0
        for j in range(n):
            open_point(self.blocks, x if lanes.capacity == 1 else self.blocks.x, lane_of + j)
            if lanes.capacity > 1:
                for i in range(lanes.n_dim):
                    block.x[i] = x[i * lanes.capacity + j]
            n_values = 0
            if likely(not time_is_over(self.blocks.clock)):
                n_values = self.blocks.objective.evaluate_moved(block, moved + j, self.stencil.n_moves)
            if unlikely(block.n_failed):
                note_fault(lanes, lane_of[j], EXCEPTION)
                block.failed[0] = False
                block.n_failed = 0
            if unlikely(n_values < n_points):
                if not time_is_over(self.blocks.clock):
                    refuse_less(self.blocks.objective, "evaluate_moved", n_values, n_points)
                count(lanes, lane_of, j, n_points, 0)
                count(lanes, lane_of + j, 1, n_values, 0)
                return 1
        if self.blocks.sign < 0.0:
            for i in range(n_points * lanes.capacity):
                moved[i] = -moved[i]
        self.contract_all(x, lane_of, n)
        count(lanes, lane_of, n, n_points, 1)
        return 0

    cdef int evaluate_stencil(self, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n,
                              bint with_values) except -1 nogil:
        """Evaluates all n lanes at a point of the stencil after the other: one row of the block at a time leaves its
        place."""
        cdef Block *block = &self.blocks.block
        cdef Py_ssize_t i, side, at
        self.blocks.open(x, lane_of, n, 1)
        self.blocks.pad(n)
        if with_values:
            if not self.blocks.call(VALUE):
                return 1
            self.blocks.take_values(lane_of, n)
        for i in range(self.lanes.n_dim):
            at = i * self.lanes.capacity
            for side in range(self.stencil.n_moves):
                self.stencil.perturb(block.x + i * block.stride, x + at, i, side, lane_of, n)
                repeat_first(block.x + i * block.stride, n, block.n_points)
                if not self.blocks.call(VALUE):
                    count(self.lanes, lane_of, n, with_values + self.stencil.n_moves * i + side, 0)
                    return 1
                if not self.stencil.is_pair:
                    memcpy(plane(self.stencil, side) + at, self.blocks.values, n * sizeof(double))
            if self.stencil.is_pair:
                self.contract(at, x + at, self.blocks.values_before, self.blocks.values, lane_of, n, n)
            else:
                self.contract_points(at, lane_of, n)
            memcpy(block.x + i * block.stride, x + at, n * sizeof(double))
            repeat_first(block.x + i * block.stride, n, block.n_points)
        count(self.lanes, lane_of, n, with_values + self.stencil.n_moves * self.lanes.n_dim, 1)
        return 0

    cdef int evaluate_together(self, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n,
                               Py_ssize_t with_values) except -1 nogil:
        """The same for so few lanes that a call has room for several points of each: groups of n columns, the first for
        x itself if its value is wanted, then those of every coordinate."""
        cdef Block *block = &self.blocks.block
        cdef Py_ssize_t n_moves = self.stencil.n_moves, n_groups = with_values + n_moves * self.lanes.n_dim
        cdef Py_ssize_t per_call = groups_per_call(self.blocks.width, n, n_groups)
        cdef Py_ssize_t start = 0, stop, group, point
        self.stencil.set_pairs(x, lane_of, n)
        self.blocks.open(x, lane_of, n, per_call)
        while start < n_groups:
            stop = min(start + per_call, n_groups)
            for group in range(max(start, with_values), stop):
                point = group - with_values
                move_columns(block, moved_row(self.stencil, point), point // n_moves, (group - start) * n, n)
            self.blocks.pad((stop - start) * n)
            if not self.blocks.call(VALUE):
                count(self.lanes, lane_of, n, start, 0)
                return 1
            if start < with_values:
                self.blocks.take_values(lane_of, n)
            for group in range(max(start, with_values), stop):
                point = group - with_values
                copy_few(moved_row(self.stencil, point), self.blocks.values + (group - start) * n, n)
                if stop < n_groups:
                    move_columns(block, x + point // n_moves * self.lanes.capacity, point // n_moves,
                                 (group - start) * n, n)
            start = stop
        self.contract_all(x, lane_of, n)
        count(self.lanes, lane_of, n, n_groups, 1)
        return 0

    cdef int take_own_differences(self, double *x, const Py_ssize_t *lane_of, Py_ssize_t n) except -1 nogil:
        """`evaluate_stencil` for an objective that takes the differences itself, in blocks made of the lanes' own rows.

        Where they are of no use, because a pair is one-sided or the difference is not finite, values are taken again.
        """
        cdef Lanes *lanes = self.lanes
        cdef double *out
        cdef double *h = self.stencil.h
        cdef Py_ssize_t i, j, at = 0, length = length_of_rows(lanes, n)
        cdef bint finite = True, are_powers = not (lanes.bounded or lanes.steps != NULL)
        if time_is_over(self.blocks.clock):
            return 1
        self.stencil.set_steps(x, lane_of, n)
        if not self.blocks.open_in_place(x, lane_of, n):
            with gil:
                raise ValueError("blocks for differences have the next multiple of 8 points, in the lanes' own memory")
        for i in range(lanes.n_dim):
            repeat_first(h + i * lanes.capacity, n, self.blocks.block.n_points)
        out = self.blocks.block.out.g
        self.blocks.objective.evaluate_differences(&self.blocks.block, h)
        if self.blocks.sign < 0.0:
            self.blocks.change_signs(GRADIENT)
        while at < lanes.n_dim * lanes.capacity:
            finite &= fastgd_divide(out + at, h + at, are_powers, length)
            at += max(length, lanes.capacity)
        if out != lanes.trial.g:
            for i in range(lanes.n_dim):
                for j in range(n):
                    lanes.trial.g[i * lanes.capacity + lane_of[j]] = out[i * lanes.capacity + j]
        count(lanes, lane_of, n, 2 * lanes.n_dim, 1)
        return 0 if finite and not lanes.bounded else self.take_some_again(lane_of, n)

    cdef int take_some_again(self, const Py_ssize_t *lane_of, Py_ssize_t n) except -1 nogil:
        """By values, where differences of the objective's own are of no use; 1 if the time ran out."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t i, j, at, n_again
        cdef double *g
        cdef const double *h = self.stencil.h
        cdef const double *second = self.stencil.second
        for i in range(lanes.n_dim):
            at = i * lanes.capacity
            g = lanes.trial.g + at
            if are_first_lanes(lane_of, n) and fastgd_are_finite(g, n) and (
                    not lanes.bounded or fastgd_all_central(h + at, second + at, n)):
                continue
            n_again = 0
            for j in range(n):
                self.columns[n_again] = j
                if lanes.bounded and h[at + j] == 0.0:
                    g[lane_of[j]] = 0.0
                n_again += not isfinite(g[lane_of[j]]) or lanes.bounded and second[at + j] != -h[at + j]
            if n_again and self.take_again(i, lane_of, n_again):
                return 1
        return 0

    cdef int take_again(self, Py_ssize_t i, const Py_ssize_t *lane_of, Py_ssize_t n) except -1 nogil:
        """Coordinate i of the gradients by values, in the first n of the `columns`; 1 if the time ran out."""
        cdef Lanes *lanes = self.lanes
        cdef Block *block = &self.blocks.block
        cdef Py_ssize_t j, k, side, lane, at = i * lanes.capacity
        cdef double *y = lanes.trial.x
        cdef const double *h = self.stencil.h + at
        cdef const double *second = self.stencil.second + at
        cdef double step, slope
        for j in range(n):
            self.some_lanes[j] = lane_of[self.columns[j]]
        self.blocks.open(y, self.some_lanes, n, 1)
        for k in range(lanes.n_dim):
            for j in range(n):
                block.x[k * block.stride + j] = y[k * lanes.capacity + self.some_lanes[j]]
        for side in range(2):
            for j in range(n):
                step = h[self.columns[j]]
                if side:
                    step = second[self.columns[j]] if lanes.bounded else -step
                block.x[i * block.stride + j] = y[at + self.some_lanes[j]] + step
            self.blocks.pad(n)
            if not self.blocks.call(VALUE):
                return 1
        for j in range(n):
            lane = self.some_lanes[j]
            if lanes.bounded:
                slope = self.slope_inside_bounds(at + self.columns[j], lane, self.blocks.values_before[j],
                                                 self.blocks.values[j])
            else:
                slope = (self.blocks.values_before[j] - self.blocks.values[j]) / (2.0 * h[self.columns[j]])
            lanes.trial.g[at + lane] = slope
            if not isfinite(slope):
                note_nonfinite(self.blocks, lane, self.blocks.values_before[j], self.blocks.values[j])
        return 0

    cdef void contract(self, Py_ssize_t at, const double *x, const double *first, const double *second,
                       const Py_ssize_t *lane_of, Py_ssize_t n, Py_ssize_t length) noexcept nogil:
        """A row of the gradients, at that place, or several that make one: from the row x of the points of n lanes and
        the values at both points of every pair."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t j, lane
        cdef bint finite
        cdef double *g = lanes.trial.g + at
        cdef double *out = g if are_first_lanes(lane_of, n) else self.stencil.row
        if self.stencil.by_rows:
            finite = fastgd_row_of_quotients(out, first, second, self.stencil.h + at,
                                             lanes.steps == NULL and self.first_values == NULL, length)
        else:
            finite = fastgd_quotients(self.stencil.given_to_all, out, first, second, x, length)
        if out != g:
            for j in range(n):
                g[lane_of[j]] = out[j]
        if self.first_values != NULL:
            for j in range(length):
                lane = j - j % lanes.capacity + lane_of[j % lanes.capacity]
                self.first_values[at + lane] = first[j]
                self.second_values[at + lane] = second[j]
        if lanes.bounded and not fastgd_all_central(self.stencil.h + at, self.stencil.second + at, n):
            finite &= self.contract_one_sided(at, first, second, lane_of, n)
        if unlikely(not finite):
            for j in range(length):
                lane = lane_of[j % lanes.capacity]
                if not isfinite(g[j - j % lanes.capacity + lane]):
                    note_nonfinite(self.blocks, lane, first[j], second[j])

    cdef void contract_all(self, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil:
        """The gradients of n lanes, from the values in the rows of their points."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t i, at = 0, length = length_of_rows(lanes, n)
        if not self.stencil.is_pair:
            for i in range(lanes.n_dim):
                self.contract_points(i * lanes.capacity, lane_of, n)
            return
        while at < lanes.n_dim * lanes.capacity:
            self.contract(at, x + at, plane(self.stencil, 0) + at, plane(self.stencil, 1) + at, lane_of, n, length)
            at += max(length, lanes.capacity)

    cdef void contract_points(self, Py_ssize_t at, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil:
        """A row of the gradients, at that place, from the values at all points of the stencil."""
        if self.stencil.is_adaptive:
            self.extrapolate(at, lane_of, n)
        else:
            self.contract_table(at, lane_of, n)

    cdef void contract_table(self, Py_ssize_t at, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil:
        """A row of the gradients, at that place, from the values at all points of the table."""
        cdef Py_ssize_t j, k, lane
        cdef double total, h, value
        cdef Table *table
        for j in range(n):
            lane = lane_of[j]
            h = self.stencil.h[at + j]
            table = &self.stencil.central
            if self.stencil.is_forward or self.stencil.second[at + j] != -h:
                table = &self.stencil.one_sided
            total = table.middle * self.lanes.trial.f[lane] if table.middle != 0.0 else 0.0
            for k in range(self.stencil.n_moves):
                value = plane(self.stencil, k)[at + j]
                total += table.weights[k] * value
                if not isfinite(value):
                    note_value(self.blocks, lane, value)
            self.lanes.trial.g[at + lane] = total / (table.divisor * h) if h != 0.0 else 0.0
            if not isfinite(self.lanes.trial.g[at + lane]):
                note_fault(self.lanes, lane, NONFINITE)

    cdef void extrapolate(self, Py_ssize_t at, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil:
        """The same from pairs with a series of steps: their quotients are extrapolated to a step of 0."""
        cdef Py_ssize_t j, k, lane
        cdef double h, slope, a = NAN, b = NAN
        cdef Tableau tableau
        cdef bint is_central
        for j in range(n):
            lane = lane_of[j]
            h = self.stencil.h[at + j]
            if h == 0.0:  # frozen
                self.lanes.trial.g[at + lane] = self.errors[at + lane] = 0.0
                continue
            is_central = self.stencil.second[at + j] == -h
            begin_tableau(&tableau)
            for k in range(N_LEVELS):
                a = plane(self.stencil, 2 * k)[at + j]
                b = plane(self.stencil, 2 * k + 1)[at + j]
                slope = slope_of_pair(h, -h if is_central else 2.0 * h, a, b, self.lanes.trial.f[lane])
                add_level(&tableau, slope, EPSILON * max(fabs(a), fabs(b)) / fabs(h), is_central)
                h /= LEVEL_RATIO
            self.lanes.trial.g[at + lane] = tableau.best
            self.errors[at + lane] = tableau.error
            if not isfinite(tableau.best):
                note_nonfinite(self.blocks, lane, a, b)

    cdef double error_at(self, Py_ssize_t at) noexcept nogil:
        """What is known of the error of a slope: nothing, if it was not extrapolated."""
        return self.errors[at] if self.errors != NULL else NAN

    cdef double slope_inside_bounds(self, Py_ssize_t at, Py_ssize_t lane, double first, double second) noexcept nogil:
        """The quotient of a pair that may be one-sided; `at` is where its steps stand."""
        return slope_of_pair(self.stencil.h[at], self.stencil.second[at], first, second, self.lanes.trial.f[lane])

    cdef bint contract_one_sided(self, Py_ssize_t at, const double *first, const double *second,
                                 const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil:
        """The same for the pairs of a row that are not central; false if a quotient is not finite."""
        cdef Py_ssize_t j
        cdef bint finite = True
        cdef double slope
        for j in range(n):
            if self.stencil.h[at + j] == 0.0 or self.stencil.second[at + j] != -self.stencil.h[at + j]:
                slope = self.slope_inside_bounds(at + j, lane_of[j], first[j], second[j])
                self.lanes.trial.g[at + lane_of[j]] = slope
                finite &= isfinite(slope)
        return finite
