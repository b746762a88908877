"""Hessians: the objective's own, or by differences of its gradients or values.

J. E. Dennis, R. B. Schnabel, "Numerical Methods for Unconstrained Optimization and Nonlinear Equations", Prentice-Hall,
1983, section 5.6.
"""
from cython cimport final
from libc.math cimport isfinite, sqrt

from ..memory.lanes cimport unit_of
from ..objectives.objective cimport GRADIENT, HESSIAN, VALUE, Block
from ..stopping cimport NONFINITE
from .blocks cimport (
    are_first_lanes,
    count,
    fastgd_are_finite,
    groups_per_call,
    note_fault,
    note_unwritten,
    note_value,
    side_by_side,
)
from .stencils cimport RELATIVE_STEP, fit_steps, rounded_step

# Steps relative to max(unit, |x|), if those of gradients are the usual ones. Rounding leaves an error of eps |g| / h
# in a difference of gradients, and of 4 eps |f| / h^2 in a second difference of values; the terms that are left out
# are of order h, and of order h^2.
cdef double STEP_OF_GRADIENTS = 2.0 ** -26
cdef double STEP_OF_VALUES = 2.0 ** -13


cdef inline Py_ssize_t packed(Py_ssize_t i, Py_ssize_t j) noexcept nogil:
    """The row of d2f / dxi dxj."""
    return i * (i + 1) // 2 + j if i >= j else j * (j + 1) // 2 + i


cdef inline Py_ssize_t row_of_pair(Py_ssize_t pair) noexcept nogil:
    """i of pair number i (i - 1) / 2 + j, j < i."""
    cdef Py_ssize_t i = <Py_ssize_t>((1.0 + sqrt(8.0 * pair + 1.0)) / 2.0)
    while i * (i - 1) // 2 > pair:
        i -= 1
    while i * (i + 1) // 2 <= pair:
        i += 1
    return i


@final
cdef class Hessians:
    """Hessians of the lanes at their trial points, whose values or gradients are known.

    Every coordinate has two offsets p and q, h and -h, or h and 2h where a bound is near. From values
    H_ii = 2 ((f(p) - f) / p - (f(q) - f) / q) / (p - q), and H_ij is the mean over p and q of
    (f(p_i, p_j) - f(p_i) - f(p_j) + f) / (p_i p_j). From gradients H_ij is the mean of (g_i(p_j) - g_i) / p_j and the
    same with i and j exchanged. All are exact for quadratic functions, but for rounding.
    """

    def __init__(self, Blocks blocks not None):
        self.blocks = blocks
        self.slab = Slab()

    cdef int prepare(self) except -1:
        """Takes the memory, and finds out what a Hessian costs."""
        cdef Py_ssize_t n = self.blocks.lanes.n_dim
        cdef int supplies = self.blocks.objective.supplies
        self.lanes = self.blocks.lanes
        if supplies & HESSIAN:
            self.n_groups = self.n_evaluations = 0
        elif supplies & GRADIENT:
            self.n_groups = n
            self.n_evaluations = n * (self.blocks.objective.gradient_cost + self.blocks.objective.has_pairs)
        else:
            self.n_groups = self.n_evaluations = 2 * n + n * (n - 1)
        self.lay_out()
        self.slab.allocate("Hessians", self.lanes.capacity, self.lanes.n_dim)
        self.lay_out()
        return 0

    cdef void lay_out(self) noexcept nogil:
        cdef Py_ssize_t n = self.lanes.n_dim * self.lanes.capacity
        self.steps = self.slab.take(2 * n)
        self.moved_values = self.slab.take(2 * n)

    cdef int take(self, const Py_ssize_t *lane_of, Py_ssize_t n) except -1 nogil:
        """The Hessians of n lanes; 1 if the time ran out."""
        cdef int supplies = self.blocks.objective.supplies
        cdef double *x
        cdef Py_ssize_t late
        if supplies & HESSIAN:
            return self.blocks.evaluate_points(lane_of, n, HESSIAN)
        x = side_by_side(self.blocks, lane_of, n)
        self.set_steps(x, lane_of, n, STEP_OF_GRADIENTS if supplies & GRADIENT else STEP_OF_VALUES)
        self.per_call = groups_per_call(self.blocks.width, n, self.n_groups)
        self.blocks.open(x, lane_of, n, self.per_call)
        if supplies & GRADIENT:
            late = self.from_gradients(x, lane_of, n)
        else:
            late = self.from_values(x, lane_of, n)
        if not late:
            self.check(lane_of, n)
        return late

    cdef void set_steps(self, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n, double factor) noexcept nogil:
        """The offsets of the points x of n lanes; 0 in a coordinate that is fixed."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t i, j, k, at, n_numbers = lanes.n_dim * lanes.capacity
        cdef double h, second, share
        for i in range(lanes.n_dim):
            for j in range(n):
                at = i * lanes.capacity
                k = at + lane_of[j]
                share = lanes.trust.factor[k] / RELATIVE_STEP if lanes.trust.factor != NULL else 1.0
                h = rounded_step(x[at + j], factor * share, unit_of(lanes, k))
                second = -h
                if lanes.bounded:
                    fit_steps(x[at + j], lanes.lower[at + lane_of[j]], lanes.upper[at + lane_of[j]], &h, &second)
                self.steps[at + j] = h
                self.steps[n_numbers + at + j] = second

    cdef void move(self, const double *x, Py_ssize_t column, Py_ssize_t i, Py_ssize_t side,
                   Py_ssize_t n) noexcept nogil:
        """Moves coordinate i of n columns of the block from x to its first or second point; back if `side` is -1."""
        cdef Py_ssize_t j, capacity = self.lanes.capacity
        cdef double *row = self.blocks.block.x + i * self.blocks.block.stride + column
        cdef const double *steps = self.steps + (max(side, 0) * self.lanes.n_dim + i) * capacity
        for j in range(n):
            row[j] = x[i * capacity + j] if side < 0 else x[i * capacity + j] + steps[j]

    cdef int from_gradients(self, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n) except -1 nogil:
        cdef Lanes *lanes = self.lanes
        cdef Block *block = &self.blocks.block
        cdef Py_ssize_t n_dim = lanes.n_dim, start = 0, stop, group, i, j, lane
        cdef int supplied
        cdef double slope, step, share
        cdef double *H
        for i in range(n_dim * (n_dim + 1) // 2):
            for j in range(n):
                lanes.trial.H[i * lanes.capacity + lane_of[j]] = 0.0
        while start < n_dim:
            stop = min(start + self.per_call, n_dim)
            for group in range(start, stop):
                self.move(x, (group - start) * n, group, 0, n)
            self.blocks.pad((stop - start) * n)
            supplied = self.blocks.call(GRADIENT)
            if not supplied:
                return 1
            count(lanes, lane_of, n, (stop - start) * (((supplied & VALUE) != 0) + self.blocks.objective.gradient_cost),
                  stop - start)
            for group in range(start, stop):
                for i in range(n_dim):
                    H = lanes.trial.H + packed(i, group) * lanes.capacity
                    share = 1.0 if i == group else 0.5
                    for j in range(n):
                        lane = lane_of[j]
                        step = self.steps[group * lanes.capacity + j]
                        slope = block.out.g[i * block.stride + (group - start) * n + j]
                        if not isfinite(slope):
                            note_fault(lanes, lane, NONFINITE)
                            note_unwritten(self.blocks, lane, slope)
                        if step != 0.0 and self.steps[i * lanes.capacity + j] != 0.0:
                            H[lane] += share * ((slope - lanes.trial.g[i * lanes.capacity + lane]) / step)
                self.move(x, (group - start) * n, group, -1, n)
            start = stop
        return 0

    cdef int from_values(self, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n) except -1 nogil:
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t n_dim = lanes.n_dim, capacity = lanes.capacity
        cdef Py_ssize_t start = 0, stop, group, column, i, j, k, side, lane
        cdef double a, b, value, f, first, second
        cdef double *H
        while start < self.n_groups:
            stop = min(start + self.per_call, self.n_groups)
            for group in range(start, stop):
                column = (group - start) * n
                if group < 2 * n_dim:
                    self.move(x, column, group // 2, group % 2, n)
                else:
                    i = row_of_pair(group // 2 - n_dim)
                    self.move(x, column, i, group % 2, n)
                    self.move(x, column, group // 2 - n_dim - i * (i - 1) // 2, group % 2, n)
            self.blocks.pad((stop - start) * n)
            if not self.blocks.call(VALUE):
                return 1
            count(lanes, lane_of, n, stop - start, 0)
            for group in range(start, stop):
                column = (group - start) * n
                side = group % 2
                i = k = group // 2
                if group >= 2 * n_dim:
                    i = row_of_pair(group // 2 - n_dim)
                    k = group // 2 - n_dim - i * (i - 1) // 2
                H = lanes.trial.H + packed(i, k) * capacity
                for j in range(n):
                    lane = lane_of[j]
                    f = lanes.trial.f[lane]
                    value = self.blocks.values[column + j]
                    note_value(self.blocks, lane, value)
                    a = self.steps[(side * n_dim + i) * capacity + j]
                    b = self.steps[(side * n_dim + k) * capacity + j]
                    if group < 2 * n_dim:
                        self.moved_values[(side * n_dim + i) * capacity + j] = value
                        if side:
                            first = (self.moved_values[i * capacity + j] - f) / self.steps[i * capacity + j]
                            second = (value - f) / a
                            H[lane] = 2.0 * (first - second) / (self.steps[i * capacity + j] - a) if a != 0.0 else 0.0
                    else:
                        value = ((value - self.moved_values[(side * n_dim + i) * capacity + j])
                                 - (self.moved_values[(side * n_dim + k) * capacity + j] - f)) / (a * b)
                        value = 0.5 * value if a * b != 0.0 else 0.0
                        H[lane] = H[lane] + value if side else value
                if stop < self.n_groups:
                    self.move(x, column, i, -1, n)
                    self.move(x, column, k, -1, n)
            start = stop
        return 0

    cdef void check(self, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil:
        """Notes the lanes whose Hessian is not finite."""
        cdef Py_ssize_t i, j
        cdef double *row
        for i in range(self.lanes.n_dim * (self.lanes.n_dim + 1) // 2):
            row = self.lanes.trial.H + i * self.lanes.capacity
            if are_first_lanes(lane_of, n) and fastgd_are_finite(row, n):
                continue
            for j in range(n):
                if not isfinite(row[lane_of[j]]):
                    note_fault(self.lanes, lane_of[j], NONFINITE)
