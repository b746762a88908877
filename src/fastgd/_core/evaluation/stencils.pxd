from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from ..memory.lanes cimport Lanes
from ..memory.slab cimport Slab
from .blocks cimport Blocks

cdef extern from "evaluation/stencils.h":
    ctypedef struct Steps "fastgd_stencil":
        double step
        double factor
        double x_scale

    double RELATIVE_STEP "FASTGD_RELATIVE_STEP"
    double rounded_step "fastgd_rounded_step"(double x, double factor, double x_scale) noexcept nogil


cdef enum:
    N_MOVES = 2  # points of the stencil in every coordinate


cdef class Stencil:
    cdef const double[::1] given  # steps, or None
    cdef Steps steps
    cdef double stretch       # how many times the usual step to take
    cdef bint by_rows         # h and `second` are filled before they are used
    cdef Slab slab
    cdef Lanes *lanes
    cdef bint step_vanishes   # one of those that were fitted into bounds
    cdef double *h            # (n_dim, capacity) steps, by rows or where the objective has differences
    cdef double *second       # (n_dim, capacity) offsets of the second point of a pair, by rows
    cdef double *step         # (n_dim,) the given ones
    cdef double *ones         # (capacity,)
    cdef double *moved        # (N_MOVES, n_dim, capacity) the moved coordinates of every pair, then the values there
    cdef double *row          # (capacity,)
    cdef double *other_row
    cdef int prepare(self, Blocks blocks) except -1
    cdef void lay_out(self, Blocks blocks) noexcept nogil
    cdef void choose(self) noexcept nogil
    cdef const double *of_lanes(self, const double *row, double *room, const Py_ssize_t *lane_of,
                                Py_ssize_t n) noexcept nogil
    cdef void set_steps(self, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil
    cdef void fill_rows(self, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil
    cdef bint set_pairs(self, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil
    cdef void perturb(self, double *row, const double *x, Py_ssize_t i, bint second, const Py_ssize_t *lane_of,
                      Py_ssize_t n) noexcept nogil


cdef inline Py_ssize_t length_of_rows(const Lanes *lanes, Py_ssize_t n) noexcept nogil:
    """If n are all lanes, rows are contiguous and one loop covers them; with bounds, rows are looped one by one."""
    return lanes.n_dim * n if n == lanes.capacity and not lanes.bounded else n


cdef inline double *plane(Stencil stencil, Py_ssize_t move) noexcept nogil:
    """Of the moved coordinates."""
    return stencil.moved + move * stencil.lanes.n_dim * stencil.lanes.capacity


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
