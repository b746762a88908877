"""The points of central differences: how far from x they lie, also inside bounds."""
from cython cimport final, unlikely
from libc.math cimport isfinite
from ..objectives.objective cimport VALUE
from ..stopping cimport NONFINITE, STEP_UNDERFLOW
from .blocks cimport are_first_lanes, note_fault

import numpy as np

cdef extern from "evaluation/stencils.h":
    void fastgd_add(double *out, const double *a, const double *b, Py_ssize_t n) noexcept nogil
    bint fastgd_steps(double given, double *h, const double *x, Py_ssize_t n) noexcept nogil
    void fastgd_row_of_steps(double *h, double *second, const double *x, double given, const double *factor,
                             const double *unit, double stretch, Py_ssize_t n) noexcept nogil
    bint fastgd_pairs_move(const double *h, const double *x, Py_ssize_t n) noexcept nogil
    bint fastgd_pairs_fit(const double *h, const double *x, const double *lower, const double *upper,
                          Py_ssize_t n) noexcept nogil
    bint fastgd_shift(double given, double *out, const double *x, double sign, Py_ssize_t n) noexcept nogil
    bint fastgd_pairs(double given, double *above, double *below, const double *x, Py_ssize_t n) noexcept nogil


cdef inline void note_vanished_step(Stencil self, Py_ssize_t at, Py_ssize_t lane, double x,
                                    double shifted) noexcept nogil:
    """Where x + h == x, unless the coordinate is frozen by its bounds; or where x or x + h is not finite."""
    if not isfinite(shifted):
        note_fault(self.lanes, lane, NONFINITE)
    elif shifted == x and not (self.lanes.bounded and self.h[at] == 0.0):
        note_fault(self.lanes, lane, STEP_UNDERFLOW)


# By order: offsets, weights, the weight of f(x), and the divisor.
CENTRAL = {
    2: ((1, -1), (1, -1), 0, 2),
    4: ((1, -1, 2, -2), (8, -8, -1, 1), 0, 12),
    6: ((1, -1, 2, -2, 3, -3), (45, -45, -9, 9, 1, -1), 0, 60),
    8: ((1, -1, 2, -2, 3, -3, 4, -4), (672, -672, -168, 168, 32, -32, -3, 3), 0, 840),
}
ONE_SIDED = {
    1: ((1,), (1,), -1, 1),
    2: ((1, 2), (4, -1), -3, 2),
    4: ((1, 2, 3, 4), (48, -36, 16, -3), -25, 12),
    6: ((1, 2, 3, 4, 5, 6), (360, -450, 400, -225, 72, -10), -147, 60),
    8: ((1, 2, 3, 4, 5, 6, 7, 8), (6720, -11760, 15680, -14700, 9408, -3920, 960, -105), -2283, 840),
}


# The first step that is extrapolated, relative to x.
cdef double FIRST_LEVEL = 0.125


cdef object pairs_of_levels(first, second):
    """A table of pairs of points, which has no weights."""
    offsets = [side / LEVEL_RATIO**level for level in range(N_LEVELS) for side in (first, second)]
    return offsets, [0] * len(offsets), 0, 1


cdef void set_table(Table *table, row) except *:
    offsets, weights, table.middle, table.divisor = row
    table.reach = max(offsets)
    for k in range(len(offsets)):
        table.offsets[k] = offsets[k]
        table.weights[k] = weights[k]


@final
cdef class Stencil:
    """The steps h of central differences, and the points x + h and x - h in every coordinate.

    Given `steps`, one or one per coordinate, are taken as they are. Otherwise h is the power of two nearest to
    eps^(1/3) max(unit, |x|), or what a calibration has found instead, so that a division by 2h is exact, and so are
    x + h and x - h unless they lie in a binade above that of x. Near a bound both points are on one side of x, at h and
    2h.

    Of other orders, all points stand in tables; `is_forward` if they are on one side of x everywhere (B. Fornberg,
    "Generation of finite difference formulas on arbitrarily spaced grids", Mathematics of Computation 51, 1988). So do
    those of `is_adaptive`: pairs with a series of steps.
    """

    def __init__(self, const double[::1] steps=None, Py_ssize_t order=2, bint is_forward=False,
                 bint is_adaptive=False):
        self.given = steps
        self.order = order
        self.is_forward = is_forward
        self.is_adaptive = is_adaptive
        self.is_pair = order == 2 and not is_forward and not is_adaptive
        self.n_moves = MOST_MOVES if is_adaptive else order
        set_table(&self.central, pairs_of_levels(1, -1) if is_adaptive else CENTRAL.get(order, ONE_SIDED[order]))
        set_table(&self.one_sided, pairs_of_levels(1, 2) if is_adaptive else ONE_SIDED[order])
        self.given_to_all = steps[0] if steps is not None and steps.shape[0] == 1 else 0.0
        self.stretch = 1.0

    cdef int prepare(self, Blocks blocks) except -1:
        """Takes the memory."""
        cdef Lanes *lanes = blocks.lanes
        cdef Py_ssize_t i
        self.lanes = lanes
        self.slab = Slab()
        self.lay_out(blocks)
        self.slab.allocate("differences", lanes.capacity, lanes.n_dim)
        self.lay_out(blocks)
        for i in range(lanes.capacity):
            self.ones[i] = 1.0
            self.usual[i] = self.relative_step()
        if self.given is not None:
            for i in range(lanes.n_dim):
                self.step[i] = self.given[i if self.given.shape[0] > 1 else 0]
            lanes.steps = self.step
        lanes.relative_step = self.relative_step()
        self.choose()
        return 0

    cdef void lay_out(self, Blocks blocks) noexcept nogil:
        cdef Py_ssize_t capacity = self.lanes.capacity, n = self.lanes.n_dim * capacity
        self.h = self.slab.take(n)
        self.second = self.slab.take(n)
        self.step = self.slab.take(self.lanes.n_dim)
        self.ones = self.slab.take(capacity)
        self.moved = self.slab.take(self.n_moves * n)
        self.usual = self.slab.take(capacity)
        self.row = self.slab.take(capacity)
        self.other_row = self.slab.take(capacity)

    cdef double relative_step(self) noexcept nogil:
        """The root of EPSILON that balances rounding and truncation; the first step of a series."""
        if self.is_adaptive:
            return FIRST_LEVEL
        return RELATIVE_STEP if self.order == 2 else (2.0 ** -52) ** (1.0 / (self.order + 1))

    cdef void choose(self) noexcept nogil:
        """Finds out whether every step has to be kept in its row, because it is not the usual one of x or that of all.
        """
        cdef Lanes *lanes = self.lanes
        self.by_rows = (not self.is_pair or lanes.bounded or lanes.trust.unit != NULL or lanes.factors_differ
                        or self.stretch != 1.0 or lanes.steps != NULL and self.given_to_all == 0.0)

    def offsets(self, const double[:, :] points, const double[:, :] lower=None, const double[:, :] upper=None,
                const double[:, :] x_scale=None, double times=1.0):
        """How far the two points of each pair lie from x, in every coordinate of (n, n_dim) points; with steps so many
        times as long."""
        cdef Py_ssize_t i, j
        cdef double[:, ::1] h = np.empty((points.shape[0], points.shape[1]))
        cdef double[:, ::1] second = np.empty_like(h)
        for j in range(points.shape[0]):
            for i in range(points.shape[1]):
                if self.given is not None:
                    h[j, i] = times * self.given[i if self.given.shape[0] > 1 else 0]
                else:
                    h[j, i] = times * rounded_step(points[j, i], RELATIVE_STEP,
                                                   1.0 if x_scale is None else x_scale[j, i])
                second[j, i] = -h[j, i]
                if lower is not None:
                    fit_steps(points[j, i], lower[j, i], upper[j, i], &h[j, i], &second[j, i])
        return h.base, second.base

    cdef void set_steps(self, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil:
        """Fills h for n points, if `fill_rows` has not, and notes where a step vanishes."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t j, at = 0, length = length_of_rows(lanes, n)
        cdef bint moved
        while at < lanes.n_dim * lanes.capacity:
            if self.by_rows:
                moved = not self.step_vanishes
            else:
                moved = fastgd_steps(self.given_to_all, self.h + at, x + at, length)
            if unlikely(not moved):
                for j in range(at, at + length):
                    note_vanished_step(self, j, lane_of[j % lanes.capacity], x[j], x[j] + self.h[j])
                    note_vanished_step(self, j, lane_of[j % lanes.capacity], x[j], x[j] + (
                        self.second[j] if self.by_rows else -self.h[j]))
            at += max(length, lanes.capacity)

    cdef void ask_for_middle(self, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil:
        """Forward differences take f at x itself."""
        cdef Py_ssize_t j
        for j in range(n):
            if not self.lanes.trial.knows_f[lane_of[j]] and not self.lanes.want[lane_of[j]] & VALUE:
                self.lanes.want[lane_of[j]] |= VALUE
                self.lanes.want_in_common = -1

    cdef double moved_to(self, Py_ssize_t at, double x, Py_ssize_t move) noexcept nogil:
        """The point number `move` of the table, for steps that stand at that place."""
        if not self.is_forward and self.second[at] == -self.h[at]:
            return x + self.central.offsets[move] * self.h[at]
        return x + self.one_sided.offsets[move] * self.h[at]

    cdef void set_moves(self, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil:
        """The coordinates of all points of the table, for n points, in the rows that get the values there."""
        cdef Py_ssize_t i, j, k, at
        for k in range(self.n_moves):
            for i in range(self.lanes.n_dim):
                at = i * self.lanes.capacity
                for j in range(n):
                    plane(self, k)[at + j] = self.moved_to(at + j, x[at + j], k)
                    note_vanished_step(self, at + j, lane_of[j], x[at + j], plane(self, k)[at + j])

    cdef const double *of_lanes(self, const double *row, double *room, const Py_ssize_t *lane_of,
                                Py_ssize_t n) noexcept nogil:
        """The numbers of n lanes, side by side."""
        cdef Py_ssize_t j
        if are_first_lanes(lane_of, n):
            return row
        for j in range(n):
            room[j] = row[lane_of[j]]
        return room

    cdef void fill_rows(self, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil:
        """Fills h and the second offsets for n points; asks for f where a pair is one-sided."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t i, j, at
        cdef const double *factor
        cdef const double *unit
        cdef const double *lower
        cdef const double *upper
        cdef bint fits
        self.step_vanishes = False
        for i in range(lanes.n_dim):
            at = i * lanes.capacity
            factor = self.usual
            if lanes.trust.factor != NULL:
                factor = self.of_lanes(lanes.trust.factor + at, self.row, lane_of, n)
            unit = self.ones
            if lanes.trust.unit != NULL:
                unit = self.of_lanes(lanes.trust.unit + at, self.other_row, lane_of, n)
            fastgd_row_of_steps(self.h + at, self.second + at, x + at, self.step[i] if lanes.steps != NULL else 0.0,
                                factor, unit, self.stretch, n)
            fits = fastgd_pairs_move(self.h + at, x + at, n)
            if not lanes.bounded:
                self.step_vanishes |= not fits
                continue
            if not self.is_pair:
                fits = False
            lower = self.of_lanes(lanes.lower + at, self.row, lane_of, n)
            upper = self.of_lanes(lanes.upper + at, self.other_row, lane_of, n)
            if fits and fastgd_pairs_fit(self.h + at, x + at, lower, upper, n):
                continue
            for j in range(n):
                fit_pair(self, at + j, x[at + j], lower[j], upper[j], lane_of[j])

    cdef bint set_pairs(self, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil:
        """Both coordinates of every pair of n points, in the rows that get the values there; false if some may not have
        moved."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t j, at = 0, length = length_of_rows(lanes, n)
        cdef double *first = plane(self, 0)
        cdef double *second = plane(self, 1)
        cdef bint moved, all_moved = True
        if not self.is_pair:
            self.set_moves(x, lane_of, n)
            return not lanes.any_fault
        while at < lanes.n_dim * lanes.capacity:
            if self.by_rows:
                fastgd_add(first + at, x + at, self.h + at, length)
                fastgd_add(second + at, x + at, self.second + at, length)
                moved = not self.step_vanishes
            else:
                moved = fastgd_pairs(self.given_to_all, first + at, second + at, x + at, length)
            if unlikely(not moved):
                for j in range(at, at + length):
                    note_vanished_step(self, j, lane_of[j % lanes.capacity], x[j], first[j])
                    note_vanished_step(self, j, lane_of[j % lanes.capacity], x[j], second[j])
            all_moved &= moved
            at += max(length, lanes.capacity)
        return all_moved

    cdef void perturb(self, double *row, const double *x, Py_ssize_t i, Py_ssize_t move, const Py_ssize_t *lane_of,
                      Py_ssize_t n) noexcept nogil:
        """One of the points in coordinate i, the first or the second of pairs, from the row x of n points."""
        cdef Py_ssize_t j, at = i * self.lanes.capacity
        cdef bint moved
        if not self.is_pair:
            for j in range(n):
                row[j] = self.moved_to(at + j, x[j], move)
            moved = False
        elif self.by_rows:
            fastgd_add(row, x, (self.second if move else self.h) + at, n)
            moved = not self.step_vanishes
        else:
            moved = fastgd_shift(self.given_to_all, row, x, -1.0 if move else 1.0, n)
        if unlikely(not moved):
            for j in range(n):
                note_vanished_step(self, at + j, lane_of[j], x[j], row[j])


cdef inline void fit_pair(Stencil self, Py_ssize_t at, double x, double lower, double upper,
                          Py_ssize_t lane) noexcept nogil:
    """Makes a central pair, whose steps stand at that place, fit inside the bounds."""
    cdef double *h = &self.h[at]
    cdef double *second = &self.second[at]
    fit_reaches(x, lower, upper, self.central.reach, self.one_sided.reach, h, second)
    if h[0] == 0.0 and lower < upper:
        note_fault(self.lanes, lane, STEP_UNDERFLOW)
    if (second[0] != -h[0] or self.is_forward) and not self.lanes.trial.knows_f[lane]:
        self.lanes.want[lane] |= VALUE
        self.lanes.want_in_common = -1
    self.step_vanishes |= h[0] != 0.0 and (x + h[0] == x or x + second[0] == x or not isfinite(x))
