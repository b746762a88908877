# Differences with a series of steps, extrapolated to a step of 0: C. J. F. Ridders, "Accurate computation of F'(x) and
# F'(x) F''(x)", Advances in Engineering Software 4, 1982.
from libc.math cimport INFINITY, NAN, fabs

from .stencils cimport LEVEL_RATIO, N_LEVELS


cdef struct Tableau:
    double[N_LEVELS] row  # the last one: the quotient of a step, and what it makes of those before
    Py_ssize_t length
    double best           # the extrapolation of least error,
    double error          # and that


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
