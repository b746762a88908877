"""The points of central differences: how far from x they lie, also inside bounds."""
from cython cimport final, unlikely
from libc.math cimport isfinite
from ..objectives.objective cimport VALUE
from ..stopping cimport NONFINITE, STEP_UNDERFLOW
from .blocks cimport are_first_lanes, note_fault

import numpy as np

cdef extern from "evaluation/stencils.h":
    void fastgd_add(double *out, const double *a, const double *b, Py_ssize_t n) noexcept nogil
    bint fastgd_steps(const Steps *steps, double *h, const double *x, Py_ssize_t n) noexcept nogil
    bint fastgd_central_pairs(const Steps *steps, double *h, double *second, const double *x, const double *lower,
                              const double *upper, Py_ssize_t n) noexcept nogil
    bint fastgd_shift(const Steps *steps, double *out, const double *x, double sign, Py_ssize_t n) noexcept nogil
    bint fastgd_pairs(const Steps *steps, double *above, double *below, const double *x, Py_ssize_t n) noexcept nogil

# The error of a central difference is about eps |f| / h + h^2 |f'''| / 6, least near this step times the scale of x
# (Press et al., Numerical Recipes, 3rd edition, section 5.7).
cdef double RELATIVE_STEP = 2.0 ** (-52.0 / 3.0)


cdef inline void note_vanished_step(Stencil self, Py_ssize_t at, Py_ssize_t lane, double x,
                                    double shifted) noexcept nogil:
    """Where x + h == x, unless the coordinate is frozen by its bounds; or where x or x + h is not finite."""
    if not isfinite(shifted):
        note_fault(self.lanes, lane, NONFINITE)
    elif shifted == x and not (self.lanes.bounded and self.h[at] == 0.0):
        note_fault(self.lanes, lane, STEP_UNDERFLOW)


@final
cdef class Stencil:
    """The steps h of central differences, and the points x + h and x - h in every coordinate.

    A positive `step` is taken as it is. Otherwise h is the power of two nearest to eps^(1/3) max(x_scale, |x|), so
    that a division by 2h is exact, and so are x + h and x - h unless they lie in a binade above that of x. Near a
    bound both points are on one side of x, at h and 2h.
    """

    def __init__(self, double step=0.0, double x_scale=1.0):
        self.steps = Steps(step, RELATIVE_STEP, x_scale)
        self.slab = Slab()

    cdef int prepare(self, Blocks blocks) except -1:
        """Takes the memory."""
        self.lanes = blocks.lanes
        self.lay_out(blocks)
        self.slab.allocate("differences", self.lanes.capacity, self.lanes.n_dim)
        self.lay_out(blocks)
        return 0

    cdef void lay_out(self, Blocks blocks) noexcept nogil:
        cdef Py_ssize_t capacity = self.lanes.capacity, n = self.lanes.n_dim * capacity
        if self.lanes.bounded or blocks.objective.has_differences:
            self.h = self.slab.take(n)
        if self.lanes.bounded:
            self.second = self.slab.take(n)
        if not blocks.objective.has_differences:
            self.moved = self.slab.take(N_MOVES * n)
        self.row = self.slab.take(capacity)
        self.other_row = self.slab.take(capacity)

    def offsets(self, const double[:, :] points, const double[:, :] lower=None, const double[:, :] upper=None,
                double times=1.0):
        """How far the two points of each pair lie from x, in every coordinate of (n, n_dim) points; with steps so many
        times as long."""
        cdef Py_ssize_t i, j
        cdef double[:, ::1] h = np.empty((points.shape[0], points.shape[1]))
        cdef double[:, ::1] second = np.empty_like(h)
        for j in range(points.shape[0]):
            for i in range(points.shape[1]):
                h[j, i] = self.steps.step
                if h[j, i] == 0.0:
                    h[j, i] = rounded_step(points[j, i], self.steps.factor, self.steps.x_scale)
                h[j, i] *= times
                second[j, i] = -h[j, i]
                if lower is not None:
                    fit_steps(points[j, i], lower[j, i], upper[j, i], &h[j, i], &second[j, i])
        return h.base, second.base

    cdef double least_step(self) noexcept nogil:
        return self.steps.step if self.steps.step > 0.0 else RELATIVE_STEP * self.steps.x_scale

    cdef double relative_step(self) noexcept nogil:
        """Steps grow with |x|: about max(least_step, relative_step |x|)."""
        return 0.0 if self.steps.step > 0.0 else RELATIVE_STEP

    cdef void set_steps(self, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil:
        """Fills h for n points, if `fit_into_bounds` has not, and notes where a step vanishes."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t j, at = 0, length = length_of_rows(lanes, n)
        cdef bint moved
        while at < lanes.n_dim * lanes.capacity:
            if lanes.bounded:
                moved = not self.step_vanishes
            else:
                moved = fastgd_steps(&self.steps, self.h + at, x + at, length)
            if unlikely(not moved):
                for j in range(at, at + length):
                    note_vanished_step(self, j, lane_of[j % lanes.capacity], x[j], x[j] + self.h[j])
                    note_vanished_step(self, j, lane_of[j % lanes.capacity], x[j], x[j] + (
                        self.second[j] if lanes.bounded else -self.h[j]))
            at += max(length, lanes.capacity)

    cdef void fit_into_bounds(self, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil:
        """Fills h and the second offsets for n points; asks for f where a pair is one-sided."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t i, j, at
        cdef const double *lower = self.row
        cdef const double *upper = self.other_row
        self.step_vanishes = False
        for i in range(lanes.n_dim):
            at = i * lanes.capacity
            if are_first_lanes(lane_of, n):
                lower = lanes.lower + at
                upper = lanes.upper + at
            else:
                for j in range(n):
                    self.row[j] = lanes.lower[at + lane_of[j]]
                    self.other_row[j] = lanes.upper[at + lane_of[j]]
            if fastgd_central_pairs(&self.steps, self.h + at, self.second + at, x + at, lower, upper, n):
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
        while at < lanes.n_dim * lanes.capacity:
            if lanes.bounded:
                fastgd_add(first + at, x + at, self.h + at, length)
                fastgd_add(second + at, x + at, self.second + at, length)
                moved = not self.step_vanishes
            else:
                moved = fastgd_pairs(&self.steps, first + at, second + at, x + at, length)
            if unlikely(not moved):
                for j in range(at, at + length):
                    note_vanished_step(self, j, lane_of[j % lanes.capacity], x[j], first[j])
                    note_vanished_step(self, j, lane_of[j % lanes.capacity], x[j], second[j])
            all_moved &= moved
            at += max(length, lanes.capacity)
        return all_moved

    cdef void perturb(self, double *row, const double *x, Py_ssize_t i, bint second, const Py_ssize_t *lane_of,
                      Py_ssize_t n) noexcept nogil:
        """The first or the second points of the pairs in coordinate i, from the row x of n points."""
        cdef Py_ssize_t j, at = i * self.lanes.capacity
        cdef bint moved
        if self.lanes.bounded:
            fastgd_add(row, x, (self.second if second else self.h) + at, n)
            moved = not self.step_vanishes
        else:
            moved = fastgd_shift(&self.steps, row, x, -1.0 if second else 1.0, n)
        if unlikely(not moved):
            for j in range(n):
                note_vanished_step(self, at + j, lane_of[j], x[j], row[j])


cdef inline void fit_pair(Stencil self, Py_ssize_t at, double x, double lower, double upper,
                          Py_ssize_t lane) noexcept nogil:
    """Makes a central pair, whose steps stand at that place, fit inside the bounds."""
    cdef double *h = &self.h[at]
    cdef double *second = &self.second[at]
    fit_steps(x, lower, upper, h, second)
    if h[0] == 0.0 and lower < upper:
        note_fault(self.lanes, lane, STEP_UNDERFLOW)
    if second[0] != -h[0] and not self.lanes.trial.knows_f[lane]:
        self.lanes.want[lane] |= VALUE
        self.lanes.want_in_common = -1
    self.step_vanishes |= h[0] != 0.0 and (x + h[0] == x or x + second[0] == x or not isfinite(x))
