"""What fits: pairs of points into bounds, points of several lanes into a call."""
from libc.stdint cimport uint64_t
from libc.string cimport memcpy


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


cdef inline Py_ssize_t groups_per_call(Py_ssize_t width, Py_ssize_t n, Py_ssize_t n_groups) noexcept nogil:
    """How many groups of n columns go into a call, so that no call is wider than need be."""
    cdef Py_ssize_t most, n_calls
    if width < 4 * n:
        return 1  # the block is wide enough, and copies of the points would cost more than calls
    most = min(width // n, n_groups)
    n_calls = (n_groups + most - 1) // most
    return (n_groups + n_calls - 1) // n_calls
