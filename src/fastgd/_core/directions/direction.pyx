"""Directions: where a method goes from an iterate. How far it goes is the business of a Search.

A Direction never calls the objective. It says how many numbers it remembers for every lane: rows of `state`, and
numbers in the `strips` of the lanes, which have those of 8 lanes side by side.
"""
from ..objectives.objective cimport GRADIENT


cdef class Direction:
    """What all directions have in common."""

    def __cinit__(self):
        self.needs = GRADIENT

    cdef Py_ssize_t state_rows(self, Py_ssize_t n_dim) noexcept nogil:
        """How many rows of state a lane needs."""
        return 0

    cdef Py_ssize_t strip_rows(self, Py_ssize_t n_dim) noexcept nogil:
        """How many numbers in strips it needs."""
        return 0

    cdef int prepare(self, Lanes *lanes) except -1:
        """Before a run: takes what memory it needs besides that."""
        return 0

    cdef void start(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil:
        """A problem has come into a lane: sets its state."""


cdef class Pointer(Direction):
    """A direction along which a Search looks for its step: the first trial is x + scale * rows."""

    cdef const double *rows(self, const Lanes *lanes) noexcept nogil:
        """(n_dim, capacity)"""
        return NULL

    cdef const double *scale(self, const Lanes *lanes) noexcept nogil:
        """(capacity,) of which the search takes fractions."""
        return NULL

    cdef const double *squares(self, const Lanes *lanes) noexcept nogil:
        """(capacity,) |s|^2 of the last step s."""
        return NULL

    cdef bint turn(self, Lanes *lanes, const Py_ssize_t *begins, Py_ssize_t *begins_anew) noexcept nogil:
        """Sets rows, scale and squares in the lanes that begin a search, at an iterate `here`; `trial` has the iterate
        before, if nit is not 0.

        May mark lanes that begin anew, for whose searches earlier values do not count. Returns whether there are any.
        """
        return False

    cdef void forget_steps(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil:
        """A lane is at another iterate, to which no step has led: sets rows and scale for the search that begins."""

    cdef bint restart(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil:
        """A search has failed: forgets what was learned and points along the negative gradient; false if it did."""
        return False
