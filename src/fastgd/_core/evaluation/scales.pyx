"""The scales of the variables, by the curvatures that a calibration has seen at the start."""
from libc.math cimport INFINITY, fabs, floor, ilogb, ldexp, sqrt

from ..memory.lanes cimport Lanes
from .stencils cimport rounded_power

# Exponents of scales that do not count: with them, or without a limit, fewer of the runs on `fastgd.functions` end at
# the minimum, and with larger ones fewer of those on NIST's regressions.
cdef double MILD = 2.0
# Scales relative to max(1, |x|).
cdef double LARGEST_SCALE = 2.0 ** 40


cdef void find_scale(Calibration calibration, Py_ssize_t lane) noexcept nogil:
    """The scales in which f would have equal curvatures c along all coordinates, and in which the step that these
    promise has a length of 1, s_i^2 = sum_j g_j^2 / c_j / c_i, if no coordinate moves by more than max(1, |x|).
    Where no curvature is seen, s_i g_i = sum_j g_j^2 / c_j.

    Curvatures at a single point say little about others: scales are left as they are up to a factor of 4.
    """
    cdef Lanes *lanes = calibration.lanes
    cdef Py_ssize_t i, at
    cdef double total = 0.0, scale, size, slope, share = 1.0, mean = 0.0
    cdef const double *curvatures = calibration.curvatures
    for i in range(lanes.n_dim):
        at = i * lanes.capacity + lane
        if curvatures[at] != 0.0:
            total += lanes.trial.g[at] * (lanes.trial.g[at] / fabs(curvatures[at]))
    if not 0.0 < total < INFINITY:
        return
    for i in range(lanes.n_dim):
        at = i * lanes.capacity + lane
        if curvatures[at] != 0.0:
            share = min(share, max(1.0, fabs(lanes.trial.x[at])) / sqrt(total / fabs(curvatures[at])))
    for i in range(lanes.n_dim):
        at = i * lanes.capacity + lane
        size = max(1.0, fabs(lanes.trial.x[at]))
        slope = fabs(lanes.trial.g[at])
        if curvatures[at] != 0.0:
            scale = share * sqrt(total / fabs(curvatures[at]))
        elif slope > calibration.errors[at]:
            scale = min(share * (total / slope), size)
        else:
            scale = size
        calibration.exponents[i] = ilogb(rounded_power(min(max(scale, size / LARGEST_SCALE), size * LARGEST_SCALE)))
        mean += calibration.exponents[i]
    mean /= lanes.n_dim
    for i in range(lanes.n_dim):
        scale = floor(beyond(mean) + beyond(calibration.exponents[i] - mean) + 0.5)
        lanes.trust.scale[i * lanes.capacity + lane] = ldexp(1.0, <int>scale)


cdef inline double beyond(double exponent) noexcept nogil:
    """What of an exponent of 2 counts."""
    return max(exponent - MILD, 0.0) + min(exponent + MILD, 0.0)
