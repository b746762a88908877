"""The points of central differences: how far from x they lie, also inside bounds."""
from cython cimport final, unlikely
from libc.math cimport isfinite
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from .evaluation cimport Evaluator, are_first_lanes, note_fault
from .lanes cimport Lanes, set_want
from .objective cimport GRADIENT, VALUE
from .stopping cimport NONFINITE, STEP_UNDERFLOW

cdef extern from "rows.h":
    void fastgd_add(double *out, const double *a, const double *b, Py_ssize_t n) noexcept nogil
    bint fastgd_rounded_steps(double *h, const double *x, double factor, double x_scale, Py_ssize_t n) noexcept nogil
    bint fastgd_central_pairs(double *h, double *second, const double *x, const double *lower, const double *upper,
                              double step, double factor, double x_scale, Py_ssize_t n) noexcept nogil
    bint fastgd_steps(double *h, const double *x, double step, Py_ssize_t n) noexcept nogil
    bint fastgd_shift_rounded(double *out, const double *x, double factor, double x_scale, double sign,
                              Py_ssize_t n) noexcept nogil
    bint fastgd_shift(double *out, const double *x, double step, Py_ssize_t n) noexcept nogil
    bint fastgd_pairs_rounded(double *above, double *below, const double *x, double factor, double x_scale,
                              Py_ssize_t n) noexcept nogil

# The error of a central difference is about eps |f| / h + h^2 |f'''| / 6, least near this step times the scale of x
# (Press et al., Numerical Recipes, 3rd edition, section 5.7).
cdef double RELATIVE_STEP = 2.0 ** (-52.0 / 3.0)


cdef inline bint shift(Steps self, double *row, const double *x, double sign, Py_ssize_t n) noexcept nogil:
    """row = x + sign * step; false if a step may have vanished."""
    if self.step > 0.0:
        return fastgd_shift(row, x, sign * self.step, n)
    return fastgd_shift_rounded(row, x, RELATIVE_STEP, self.x_scale, sign, n)


cdef inline bint shift_both(Steps self, double *above, double *below, const double *x, Py_ssize_t n) noexcept nogil:
    """Both points of the pairs at once."""
    if self.step > 0.0:
        return fastgd_shift(above, x, self.step, n) & fastgd_shift(below, x, -self.step, n)
    return fastgd_pairs_rounded(above, below, x, RELATIVE_STEP, self.x_scale, n)


cdef inline double power_of_two_below(double value) noexcept nogil:
    cdef uint64_t bits
    memcpy(&bits, &value, sizeof(double))
    bits &= <uint64_t>0x7FF0000000000000
    memcpy(&value, &bits, sizeof(double))
    return value


cdef inline void fit_steps(double x, double lower, double upper, double *h, double *second) noexcept nogil:
    """Offsets h and `second` of a pair of points inside the bounds: h and -h, or h and 2h on the wider side of x."""
    cdef double side, room
    if x + h[0] <= upper and x - h[0] >= lower:
        second[0] = -h[0]
        return
    side = 1.0 if upper - x >= x - lower else -1.0
    room = upper - x if side > 0.0 else x - lower
    h[0] = side * min(h[0], power_of_two_below(0.5 * room))
    if x + 2.0 * h[0] > upper or x + 2.0 * h[0] < lower:
        h[0] *= 0.5  # room was rounded up
    second[0] = 2.0 * h[0]


cdef inline void fit_pair(Steps self, Lanes lanes, Py_ssize_t at, double x, double lower, double upper,
                          Py_ssize_t lane) noexcept nogil:
    """Makes a central pair, whose steps stand at that place, fit inside the bounds."""
    cdef double *h = &lanes.h[at]
    cdef double *second = &lanes.second[at]
    fit_steps(x, lower, upper, h, second)
    if h[0] == 0.0 and lower < upper:
        note_fault(lanes, lane, STEP_UNDERFLOW)
    if second[0] != -h[0] and not lanes.knows_f_y[lane]:
        set_want(lanes, lane, VALUE | GRADIENT)
    self.step_vanishes |= h[0] != 0.0 and (x + h[0] == x or x + second[0] == x or not isfinite(x))


cdef inline void note_vanished_step(Lanes lanes, Py_ssize_t at, Py_ssize_t lane, double x,
                                    double shifted) noexcept nogil:
    """Where x + h == x, unless the coordinate is frozen by its bounds; or where x or x + h is not finite."""
    if not isfinite(shifted):
        note_fault(lanes, lane, NONFINITE)
    elif shifted == x and not (lanes.bounded and lanes.h[at] == 0.0):
        note_fault(lanes, lane, STEP_UNDERFLOW)


cdef class Steps(Evaluator):
    """An Evaluator that knows the steps h of central differences.

    A positive `step` is taken as it is. Otherwise h is the power of two nearest to eps^(1/3) max(x_scale, |x|), so
    that a division by 2h is exact, and so are x + h and x - h unless they lie in a binade above that of x. Near a
    bound both points are on one side of x, at h and 2h.
    """

    def __init__(self, double step=0.0, double x_scale=1.0):
        self.step = step
        self.x_scale = x_scale

    @final
    cdef double least_step(self) noexcept nogil:
        return self.step if self.step > 0.0 else RELATIVE_STEP * self.x_scale

    @final
    cdef double relative_step(self) noexcept nogil:
        """Steps grow with |x|: about max(least_step, relative_step |x|)."""
        return 0.0 if self.step > 0.0 else RELATIVE_STEP

    @final
    cdef void set_steps(self, Lanes lanes, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil:
        """Fills h for n points, if `fit_into_bounds` has not, and notes where a step vanishes."""
        cdef Py_ssize_t j, at = 0, length = length_of_rows(lanes, n)
        cdef bint moved
        while at < lanes.n_dim * lanes.capacity:
            if lanes.bounded:
                moved = not self.step_vanishes
            elif self.step > 0.0:
                moved = fastgd_steps(lanes.h + at, x + at, self.step, length)
            else:
                moved = fastgd_rounded_steps(lanes.h + at, x + at, RELATIVE_STEP, self.x_scale, length)
            if unlikely(not moved):
                for j in range(at, at + length):
                    note_vanished_step(lanes, j, lane_of[j % lanes.capacity], x[j], x[j] + lanes.h[j])
                    note_vanished_step(lanes, j, lane_of[j % lanes.capacity], x[j], x[j] + (
                        lanes.second[j] if lanes.bounded else -lanes.h[j]))
            at += max(length, lanes.capacity)

    @final
    cdef void fit_into_bounds(self, Lanes lanes, const double *x, const Py_ssize_t *lane_of,
                              Py_ssize_t n) noexcept nogil:
        """Fills h and the second offsets for n points; asks for f where a pair is one-sided."""
        cdef Py_ssize_t i, j, at
        cdef const double *lower = lanes.row
        cdef const double *upper = lanes.other_row
        self.step_vanishes = False
        for i in range(lanes.n_dim):
            at = i * lanes.capacity
            if are_first_lanes(lane_of, n):
                lower = lanes.lower + at
                upper = lanes.upper + at
            else:
                for j in range(n):
                    lanes.row[j] = lanes.lower[at + lane_of[j]]
                    lanes.other_row[j] = lanes.upper[at + lane_of[j]]
            if not fastgd_central_pairs(lanes.h + at, lanes.second + at, x + at, lower, upper, self.step, RELATIVE_STEP,
                                        self.x_scale, n):
                for j in range(n):
                    fit_pair(self, lanes, at + j, x[at + j], lower[j], upper[j], lane_of[j])

    @final
    cdef bint set_pairs(self, Lanes lanes, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil:
        """Both coordinates of every pair of n points, in the rows that get the values there; false if some may not have
        moved."""
        cdef Py_ssize_t j, at = 0, length = length_of_rows(lanes, n)
        cdef double *first = lanes.pair_first
        cdef double *second = lanes.pair_second
        cdef bint moved, all_moved = True
        while at < lanes.n_dim * lanes.capacity:
            if lanes.bounded:
                fastgd_add(first + at, x + at, lanes.h + at, length)
                fastgd_add(second + at, x + at, lanes.second + at, length)
                moved = not self.step_vanishes
            else:
                moved = shift_both(self, first + at, second + at, x + at, length)
            if unlikely(not moved):
                for j in range(at, at + length):
                    note_vanished_step(lanes, j, lane_of[j % lanes.capacity], x[j], first[j])
                    note_vanished_step(lanes, j, lane_of[j % lanes.capacity], x[j], second[j])
            all_moved &= moved
            at += max(length, lanes.capacity)
        return all_moved

    @final
    cdef void perturb(self, Lanes lanes, const double *x, Py_ssize_t i, bint second, const Py_ssize_t *lane_of,
                      Py_ssize_t n) noexcept nogil:
        """Moves coordinate i of the block from x to the first or the second points of its pairs."""
        cdef Py_ssize_t j
        cdef double *row = lanes.block.x + i * lanes.block.stride
        cdef bint moved
        if lanes.bounded:
            fastgd_add(row, x, (lanes.second if second else lanes.h) + i * lanes.capacity, n)
            moved = not self.step_vanishes
        else:
            moved = shift(self, row, x, -1.0 if second else 1.0, n)
        if unlikely(not moved):
            for j in range(n):
                note_vanished_step(lanes, i * lanes.capacity + j, lane_of[j], x[j], row[j])
