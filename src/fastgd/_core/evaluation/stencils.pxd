from libc.math cimport INFINITY, NAN, fabs
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from ..memory.lanes cimport Lanes, unit_of
from ..memory.slab cimport Slab
from .blocks cimport Blocks

cdef extern from "evaluation/stencils.h":
    double RELATIVE_STEP "FASTGD_RELATIVE_STEP"
    double rounded_step "fastgd_rounded_step"(double x, double factor, double x_scale) noexcept nogil


cdef enum:
    N_LEVELS = 9     # steps that are extrapolated to 0,
    LEVEL_RATIO = 4  # and how many times the next one each is
    MOST_MOVES = 2 * N_LEVELS


cdef struct Table:
    # g = (middle f(x) + sum of weights[k] f(x + offsets[k] h)) / (divisor h), all weights whole numbers
    double[MOST_MOVES] offsets
    double[MOST_MOVES] weights
    double middle
    double divisor
    double reach   # the largest offset


# Differences with a series of steps, extrapolated to a step of 0: C. J. F. Ridders, "Accurate computation of F'(x) and
# F'(x) F''(x)", Advances in Engineering Software 4, 1982.
cdef struct Tableau:
    double[N_LEVELS] row  # the last one: the quotient of a step, and what it makes of those before
    Py_ssize_t length
    double best           # the extrapolation of least error,
    double error          # and that


cdef class Stencil:
    cdef const double[::1] given  # steps, or None
    cdef Py_ssize_t order     # truncation errors are of order h^order
    cdef Py_ssize_t n_moves   # points of the stencil in every coordinate
    cdef bint is_forward      # points are on one side of x everywhere
    cdef bint is_pair         # x + h and x - h, the usual ones, for which loops are there
    cdef bint is_adaptive     # pairs with steps h, h / 4, ..., whose quotients are extrapolated
    cdef Table central
    cdef Table one_sided      # where a bound is near
    cdef double given_to_all  # the only one of these; else 0
    cdef double stretch       # how many times the usual step to take
    cdef bint by_rows         # h and `second` are filled before they are used
    cdef Slab slab
    cdef Lanes *lanes
    cdef bint step_vanishes   # one of those that were fitted into bounds
    cdef double *h            # (n_dim, capacity) steps, by rows or where the objective has differences
    cdef double *second       # (n_dim, capacity) offsets of the second point of a pair, by rows
    cdef double *step         # (n_dim,) the given ones
    cdef double *ones         # (capacity,)
    cdef double *usual        # (capacity,) steps relative to x
    cdef double *moved        # (n_moves, n_dim, capacity) the moved coordinates of every pair, then the values there
    cdef double *row          # (capacity,)
    cdef double *other_row
    cdef int prepare(self, Blocks blocks) except -1
    cdef void lay_out(self, Blocks blocks) noexcept nogil
    cdef double relative_step(self) noexcept nogil
    cdef void choose(self) noexcept nogil
    cdef void ask_for_middle(self, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil
    cdef void set_moves(self, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil
    cdef double moved_to(self, Py_ssize_t at, double x, Py_ssize_t move) noexcept nogil
    cdef const double *of_lanes(self, const double *row, double *room, const Py_ssize_t *lane_of,
                                Py_ssize_t n) noexcept nogil
    cdef void set_steps(self, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil
    cdef void fill_rows(self, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil
    cdef bint set_pairs(self, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil
    cdef void perturb(self, double *row, const double *x, Py_ssize_t i, Py_ssize_t move, const Py_ssize_t *lane_of,
                      Py_ssize_t n) noexcept nogil


cdef inline Py_ssize_t length_of_rows(const Lanes *lanes, Py_ssize_t n) noexcept nogil:
    """If n are all lanes, rows are contiguous and one loop covers them; with bounds, rows are looped one by one."""
    return lanes.n_dim * n if n == lanes.capacity and not lanes.bounded else n


cdef inline double *plane(Stencil stencil, Py_ssize_t move) noexcept nogil:
    """Of the moved coordinates."""
    return stencil.moved + move * stencil.lanes.n_dim * stencil.lanes.capacity


cdef inline double rounded_power(double value) noexcept nogil:
    """The nearest power of two, by its significand."""
    return rounded_step(0.0, value, 1.0)


cdef inline double power_of_two_below(double value) noexcept nogil:
    cdef uint64_t bits
    memcpy(&bits, &value, sizeof(double))
    bits &= <uint64_t>0x7FF0000000000000
    memcpy(&value, &bits, sizeof(double))
    return value


cdef inline double slope_of_pair(double h, double second, double first_value, double second_value,
                                 double middle) noexcept nogil:
    """From the values at x + h and x + second, and at x if both are on one side of it; 0 in a frozen coordinate."""
    if h == 0.0:
        return 0.0
    if second == -h:
        return (first_value - second_value) / (2.0 * h)
    return (4.0 * first_value - second_value - 3.0 * middle) / (2.0 * h)


cdef inline void begin_tableau(Tableau *tableau) noexcept nogil:
    tableau.length = 0
    tableau.best = NAN
    tableau.error = INFINITY


cdef inline void add_level(Tableau *tableau, double slope, double rounding, bint is_central) noexcept nogil:
    """The quotient of the next step, which is 1 / LEVEL_RATIO of the last one, and the error that rounding makes."""
    cdef Py_ssize_t m
    cdef double earlier, longer, error, power = LEVEL_RATIO * LEVEL_RATIO
    for m in range(tableau.length):
        earlier = tableau.row[m]
        tableau.row[m] = slope
        longer = slope + (slope - earlier) / (power - 1.0)
        error = max(fabs(longer - slope), fabs(longer - earlier)) + rounding
        if error < tableau.error:
            tableau.best = longer
            tableau.error = error
        slope = longer
        power *= LEVEL_RATIO * LEVEL_RATIO if is_central else LEVEL_RATIO  # errors are of even orders, or of all
    tableau.row[tableau.length] = slope
    tableau.length += 1


cdef inline double step_of(const Lanes *lanes, Py_ssize_t at, double x) noexcept nogil:
    """Of a coordinate that is at x, in the user's units."""
    return rounded_step(x, lanes.trust.factor[at], unit_of(lanes, at))


cdef inline void fit_steps(double x, double lower, double upper, double *h, double *second) noexcept nogil:
    """Offsets h and `second` of a pair of points inside the bounds: h and -h, or h and 2h on the wider side of x."""
    fit_reaches(x, lower, upper, 1.0, 2.0, h, second)


cdef inline void fit_reaches(double x, double lower, double upper, double central, double one_sided, double *h,
                             double *second) noexcept nogil:
    """The same for points as far as so many steps on both sides of x, or on one side."""
    cdef double side, room
    if x + central * h[0] <= upper and x - central * h[0] >= lower:
        second[0] = -h[0]
        return
    side = 1.0 if upper - x >= x - lower else -1.0
    room = upper - x if side > 0.0 else x - lower
    h[0] = side * min(h[0], power_of_two_below(room / one_sided))
    if x + one_sided * h[0] > upper or x + one_sided * h[0] < lower:
        h[0] *= 0.5  # room was rounded up
    second[0] = 2.0 * h[0]
