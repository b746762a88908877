"""Rules: how a method gets from one iterate to the next.

A Rule never calls the objective; per lane it says what it wants to know, and at which point y, and is called again
when that is there.
"""
from .lanes cimport Lanes

cdef extern from "rows.h":
    void fastgd_descend(double *y, const double *x, const double *rate, const double *g, Py_ssize_t n) noexcept nogil


cdef class Rule:
    """The protocol, and what is common to the methods that take one step of a fixed form per gradient."""

    cdef Py_ssize_t state_rows(self, Py_ssize_t n_dim) noexcept nogil:
        """How many rows of state a lane needs; they start as zeros."""
        return 0

    cdef void start(self, Lanes lanes, Py_ssize_t lane) noexcept nogil:
        """A problem has come into a lane, with y at x0."""
        lanes.want[lane] = lanes.want_at_iterate

    cdef void receive(self, Lanes lanes) noexcept nogil:
        """What the lanes wanted has been evaluated (or its fault noted)."""
        lanes.accept()

    cdef void propose(self, Lanes lanes) noexcept nogil:
        """Sets the next y, and what is wanted there, for the lanes at an iterate.

        It may compute on those that have ended, too: they are replaced before anything is evaluated.
        """


cdef class GradientDescent(Rule):
    cdef void propose(self, Lanes lanes) noexcept nogil:
        # y = x - learning_rate * g
        cdef Py_ssize_t i, at
        for i in range(lanes.n_dim):
            at = i * lanes.capacity
            fastgd_descend(lanes.y + at, lanes.x + at, lanes.learning_rate, lanes.g + at, lanes.live)
