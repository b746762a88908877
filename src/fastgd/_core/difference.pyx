"""Gradients by central differences: stencils."""
from cython cimport final, likely, unlikely
from libc.math cimport isfinite
from libc.string cimport memcpy

from .evaluation cimport (
    are_first_lanes,
    count,
    may_be_asked,
    note_fault,
    note_value,
    open_block,
    open_in_place,
    open_point,
    pad,
    refuse_less,
    repeat_first,
    side_by_side,
    take_values,
    time_is_over,
)
from .lanes cimport Lanes
from .objective cimport GRADIENT, VALUE, Block, Objective
from .steps cimport RELATIVE_STEP, Steps, length_of_rows
from .stopping cimport EXCEPTION, NONFINITE


cdef inline bint contract_side_by_side(CentralDifference self, double *g, const double *x, const double *first,
                                       const double *second, Py_ssize_t n) noexcept nogil:
    if self.step > 0.0:
        return fastgd_quotients(g, first, second, self.step, n)
    return fastgd_rounded_quotients(g, first, second, x, RELATIVE_STEP, self.x_scale, n)


cdef void note_nonfinite(Lanes lanes, Py_ssize_t lane, double first, double second) noexcept nogil:
    """A quotient is not finite: because of one of its values, or by overflow."""
    note_fault(lanes, lane, NONFINITE)
    note_value(lanes, lane, first)
    note_value(lanes, lane, second)


cdef void contract(CentralDifference self, Lanes lanes, Py_ssize_t at, const double *x, const double *first,
                   const double *second, const Py_ssize_t *lane_of, Py_ssize_t n, Py_ssize_t length) noexcept nogil:
    """A row of the gradients, at that place, or several that make one: from the row x of the points of n lanes and the
    values at both points of every pair."""
    cdef Py_ssize_t j, lane
    cdef bint finite
    cdef double *g = lanes.g_y + at
    if are_first_lanes(lane_of, n):
        finite = contract_side_by_side(self, g, x, first, second, length)
    else:
        finite = contract_side_by_side(self, lanes.row, x, first, second, n)
        for j in range(n):
            g[lane_of[j]] = lanes.row[j]
    if lanes.bounded and not fastgd_all_central(lanes.h + at, lanes.second + at, n):
        finite &= contract_one_sided(lanes, at, first, second, lane_of, n)
    if unlikely(not finite):
        for j in range(length):
            lane = lane_of[j % lanes.capacity]
            if not isfinite(g[j - j % lanes.capacity + lane]):
                note_nonfinite(lanes, lane, first[j], second[j])


cdef inline double slope_inside_bounds(Lanes lanes, Py_ssize_t at, Py_ssize_t lane, double first,
                                       double second) noexcept nogil:
    """The quotient of a pair that may be one-sided; `at` is where its steps stand."""
    if lanes.h[at] == 0.0:
        return 0.0
    if lanes.second[at] == -lanes.h[at]:
        return (first - second) / (2.0 * lanes.h[at])
    return (4.0 * first - second - 3.0 * lanes.f_y[lane]) / (2.0 * lanes.h[at])


cdef bint contract_one_sided(Lanes lanes, Py_ssize_t at, const double *first, const double *second,
                             const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil:
    """The same for the pairs of a row that are not central; false if a quotient is not finite."""
    cdef Py_ssize_t j
    cdef bint finite = True
    cdef double slope
    for j in range(n):
        if lanes.h[at + j] == 0.0 or lanes.second[at + j] != -lanes.h[at + j]:
            slope = slope_inside_bounds(lanes, at + j, lane_of[j], first[j], second[j])
            lanes.g_y[at + lane_of[j]] = slope
            finite &= isfinite(slope)
    return finite


cdef inline void copy_few(double *row, const double *origin, Py_ssize_t n) noexcept nogil:
    if n == 1:  # a call takes longer
        row[0] = origin[0]
    else:
        memcpy(row, origin, n * sizeof(double))


cdef inline void move_columns(Lanes lanes, const double *x, Py_ssize_t point, Py_ssize_t column,
                              Py_ssize_t n) noexcept nogil:
    """Moves n columns of the block, in the coordinate of a point of the stencil, to x."""
    copy_few(lanes.block.x + (point >> 1) * lanes.block.stride + column, x, n)


cdef inline double *side_of_pairs(Lanes lanes, Py_ssize_t point) noexcept nogil:
    """The row of a point of the stencil among those of the pairs."""
    return (lanes.pair_second if point & 1 else lanes.pair_first) + (point >> 1) * lanes.capacity


cdef inline void contract_pairs(CentralDifference self, Lanes lanes, const double *x, const Py_ssize_t *lane_of,
                                Py_ssize_t n) noexcept nogil:
    """The gradients of n lanes, from the values in the rows of their pairs."""
    cdef Py_ssize_t at = 0, length = length_of_rows(lanes, n)
    while at < lanes.n_dim * lanes.capacity:
        contract(self, lanes, at, x + at, lanes.pair_first + at, lanes.pair_second + at, lane_of, n, length)
        at += max(length, lanes.capacity)


@final
cdef class CentralDifference(Steps):
    """(f(x + h) - f(x - h)) / (2h) in every coordinate.

    Near a bound the one-sided formula of the same order is used: (4 f(x + h) - f(x + 2h) - 3 f(x)) / (2h).
    """

    cdef int take_differences(self, Lanes lanes, Objective objective, const Py_ssize_t *lane_of,
                              Py_ssize_t n) except -1 nogil:
        """Gradients by differences, and values where they are wanted; 1 if the time ran out."""
        cdef double *x = side_by_side(lanes, lane_of, n)
        cdef Py_ssize_t j, n_values = 0
        if lanes.bounded:
            self.fit_into_bounds(lanes, x, lane_of, n)
        if lanes.want_in_common != GRADIENT:
            for j in range(n):
                lanes.value_lanes[n_values] = lane_of[j]
                n_values += lanes.want[lane_of[j]] & VALUE
        if 0 < n_values < n:
            if self.evaluate_points(lanes, objective, lanes.value_lanes, n_values, VALUE):
                return 1
            x = side_by_side(lanes, lane_of, n)  # other points were gathered
        if unlikely(lanes.width == 1 and not may_be_asked(lanes, x, lane_of[0])):
            return 0
        if objective.takes_points or objective.has_differences:
            if n_values == n and self.evaluate_points(lanes, objective, lane_of, n, VALUE):
                return 1
            if objective.takes_points:
                return self.take_pairs(lanes, objective, x, lane_of, n)
            return self.take_own_differences(lanes, objective, x, lane_of, n)
        if groups_per_call(lanes.width, n, 2 * lanes.n_dim) > 1:
            return self.evaluate_together(lanes, objective, x, lane_of, n, n_values == n)
        return self.evaluate_stencil(lanes, objective, x, lane_of, n, n_values == n)

    cdef int take_pairs(self, Lanes lanes, Objective objective, double *x, const Py_ssize_t *lane_of,
                        Py_ssize_t n) except -1 nogil:
        """`evaluate_stencil` for an objective of one point, which is gathered once unless it is the only one."""
        cdef Py_ssize_t i, j, n_values
        cdef Block *block = &lanes.block
        if unlikely(not self.set_pairs(lanes, x, lane_of, n) and lanes.width == 1 and not (
                may_be_asked(lanes, lanes.pair_first, lane_of[0])
                and may_be_asked(lanes, lanes.pair_second, lane_of[0]))):
            return 0
        block.deadline = &self.deadline
        for j in range(n):
            open_point(lanes, x if lanes.capacity == 1 else lanes.block_x, lane_of + j)
            if lanes.capacity > 1:
                for i in range(lanes.n_dim):
                    block.x[i] = x[i * lanes.capacity + j]
            n_values = 0
            if likely(not time_is_over(self)):
                n_values = objective.evaluate_pairs(block, lanes.pair_first + j, lanes.pair_second + j)
            if unlikely(block.n_failed):
                note_fault(lanes, lane_of[j], EXCEPTION)
                block.failed[0] = False
                block.n_failed = 0
            if unlikely(n_values < 2 * lanes.n_dim):
                if not time_is_over(self):
                    refuse_less(objective, "evaluate_pairs", n_values, 2 * lanes.n_dim)
                count(lanes, lane_of, j, 2 * lanes.n_dim, 0)
                count(lanes, lane_of + j, 1, n_values, 0)
                return 1
        contract_pairs(self, lanes, x, lane_of, n)
        count(lanes, lane_of, n, 2 * lanes.n_dim, 1)
        return 0

    cdef int evaluate_stencil(self, Lanes lanes, Objective objective, const double *x, const Py_ssize_t *lane_of,
                              Py_ssize_t n, bint with_values) except -1 nogil:
        """Evaluates all n lanes at a point of the stencil after the other: one row of the block at a time leaves its
        place."""
        cdef Block *block = &lanes.block
        cdef Py_ssize_t i, side, at
        open_block(lanes, objective, x, lane_of, n, 1)
        pad(lanes, n)
        if with_values:
            if not self.call(lanes, objective, VALUE):
                return 1
            take_values(lanes, lanes.values, lane_of, n)
        for i in range(lanes.n_dim):
            at = i * lanes.capacity
            for side in range(2):
                self.perturb(lanes, x + at, i, side, lane_of, n)
                repeat_first(block.x + i * block.stride, n, block.n_points)
                if not self.call(lanes, objective, VALUE):
                    count(lanes, lane_of, n, with_values + 2 * i + side, 0)
                    return 1
            contract(self, lanes, at, x + at, lanes.values_before, lanes.values, lane_of, n, n)
            memcpy(block.x + i * block.stride, x + at, n * sizeof(double))
            repeat_first(block.x + i * block.stride, n, block.n_points)
        count(lanes, lane_of, n, with_values + 2 * lanes.n_dim, 1)
        return 0

    cdef int evaluate_together(self, Lanes lanes, Objective objective, const double *x, const Py_ssize_t *lane_of,
                               Py_ssize_t n, Py_ssize_t with_values) except -1 nogil:
        """The same for so few lanes that a call has room for several points of each: groups of n columns, the first for
        x itself if its value is wanted, then two for every coordinate."""
        cdef Py_ssize_t n_groups = with_values + 2 * lanes.n_dim
        cdef Py_ssize_t per_call = groups_per_call(lanes.width, n, n_groups)
        cdef Py_ssize_t start = 0, stop, group, point
        self.set_pairs(lanes, x, lane_of, n)
        open_block(lanes, objective, x, lane_of, n, per_call)
        while start < n_groups:
            stop = min(start + per_call, n_groups)
            for group in range(max(start, with_values), stop):
                point = group - with_values
                move_columns(lanes, side_of_pairs(lanes, point), point, (group - start) * n, n)
            pad(lanes, (stop - start) * n)
            if not self.call(lanes, objective, VALUE):
                count(lanes, lane_of, n, start, 0)
                return 1
            if start < with_values:
                take_values(lanes, lanes.values, lane_of, n)
            for group in range(max(start, with_values), stop):
                point = group - with_values
                copy_few(side_of_pairs(lanes, point), lanes.values + (group - start) * n, n)
                if stop < n_groups:
                    move_columns(lanes, x + (point >> 1) * lanes.capacity, point, (group - start) * n, n)
            start = stop
        contract_pairs(self, lanes, x, lane_of, n)
        count(lanes, lane_of, n, n_groups, 1)
        return 0

    cdef int take_own_differences(self, Lanes lanes, Objective objective, double *x, const Py_ssize_t *lane_of,
                                  Py_ssize_t n) except -1 nogil:
        """`evaluate_stencil` for an objective that takes the differences itself, in blocks made of the lanes' own rows.

        Where they are of no use, because a pair is one-sided or the difference is not finite, values are taken again.
        """
        cdef double *out = lanes.g_y if x == lanes.y else lanes.block_g
        cdef Py_ssize_t i, j, at = 0, length = length_of_rows(lanes, n)
        cdef bint finite = True
        if time_is_over(self):
            return 1
        self.set_steps(lanes, x, lane_of, n)
        if not open_in_place(lanes, objective, x, lane_of, n):
            with gil:
                raise ValueError("blocks for differences have the next multiple of 8 points, in the lanes' own memory")
        for i in range(lanes.n_dim):
            repeat_first(lanes.h + i * lanes.capacity, n, lanes.block.n_points)
        objective.evaluate_differences(&lanes.block, lanes.h, out)
        while at < lanes.n_dim * lanes.capacity:
            if lanes.bounded or self.step > 0.0:
                finite &= fastgd_divide(out + at, lanes.h + at, length)
            else:
                finite &= fastgd_divide_by_rounded(out + at, lanes.h + at, length)
            at += max(length, lanes.capacity)
        if out != lanes.g_y:
            for i in range(lanes.n_dim):
                for j in range(n):
                    lanes.g_y[i * lanes.capacity + lane_of[j]] = out[i * lanes.capacity + j]
        count(lanes, lane_of, n, 2 * lanes.n_dim, 1)
        return 0 if finite and not lanes.bounded else self.take_some_again(lanes, objective, lane_of, n)

    cdef int take_some_again(self, Lanes lanes, Objective objective, const Py_ssize_t *lane_of,
                             Py_ssize_t n) except -1 nogil:
        """By values, where differences of the objective's own are of no use; 1 if the time ran out."""
        cdef Py_ssize_t i, j, at, n_again
        cdef double *g
        for i in range(lanes.n_dim):
            at = i * lanes.capacity
            g = lanes.g_y + at
            if are_first_lanes(lane_of, n) and fastgd_are_finite(g, n) and (
                    not lanes.bounded or fastgd_all_central(lanes.h + at, lanes.second + at, n)):
                continue
            n_again = 0
            for j in range(n):
                lanes.columns[n_again] = j
                if lanes.bounded and lanes.h[at + j] == 0.0:
                    g[lane_of[j]] = 0.0
                n_again += not isfinite(g[lane_of[j]]) or lanes.bounded and lanes.second[at + j] != -lanes.h[at + j]
            if n_again and self.take_again(lanes, objective, i, lane_of, n_again):
                return 1
        return 0

    cdef int take_again(self, Lanes lanes, Objective objective, Py_ssize_t i, const Py_ssize_t *lane_of,
                        Py_ssize_t n) except -1 nogil:
        """Coordinate i of the gradients by values, in the first n of the `columns`; 1 if the time ran out."""
        cdef Py_ssize_t j, k, lane, at = i * lanes.capacity
        cdef double h, slope
        cdef double *row
        for j in range(n):
            lanes.value_lanes[j] = lane_of[lanes.columns[j]]
        open_block(lanes, objective, lanes.y, lanes.value_lanes, n, 1)
        for k in range(lanes.n_dim):
            for j in range(n):
                lanes.block.x[k * lanes.block.stride + j] = lanes.y[k * lanes.capacity + lanes.value_lanes[j]]
        row = lanes.block.x + i * lanes.block.stride
        for j in range(n):
            row[j] = lanes.y[at + lanes.value_lanes[j]] + lanes.h[at + lanes.columns[j]]
        pad(lanes, n)
        if not self.call(lanes, objective, VALUE):
            return 1
        for j in range(n):
            h = lanes.h[at + lanes.columns[j]]
            row[j] = lanes.y[at + lanes.value_lanes[j]] + (lanes.second[at + lanes.columns[j]] if lanes.bounded else -h)
        pad(lanes, n)
        if not self.call(lanes, objective, VALUE):
            return 1
        for j in range(n):
            lane = lanes.value_lanes[j]
            if lanes.bounded:
                slope = slope_inside_bounds(lanes, at + lanes.columns[j], lane, lanes.values_before[j], lanes.values[j])
            else:
                slope = (lanes.values_before[j] - lanes.values[j]) / (2.0 * lanes.h[at + lanes.columns[j]])
            lanes.g_y[at + lane] = slope
            if not isfinite(slope):
                note_nonfinite(lanes, lane, lanes.values_before[j], lanes.values[j])
        return 0
