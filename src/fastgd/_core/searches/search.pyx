"""Searches: how far to go along a direction. A Search with its Direction is the Rule of a method.

It never calls the objective; per lane it says what it wants to know, and at which trial point, and is called again when
that is there.
"""


cdef class Search:
    """The protocol of searches."""

    def __init__(self, Direction direction not None):
        self.direction = direction

    cdef Py_ssize_t state_rows(self) noexcept nogil:
        """How many rows of state a lane needs, besides those of the direction."""
        return 0

    cdef int prepare(self, Lanes *lanes) except -1:
        """Before a run: finds its rows, and takes what memory it needs besides them."""
        self.direction.state = lanes.state
        self.state = lanes.state + self.direction.state_rows(lanes.n_dim) * lanes.capacity
        return self.direction.prepare(lanes)

    cdef double usual_gtol(self, double size) noexcept nogil:
        """The tolerance for gradients if none is given; `size` is the largest component of the first one."""
        return 1e-6 * size  # relative alone, so that it does not depend on the units of f

    cdef void start(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil:
        """A problem has come into a lane, with the trial point at x0: sets its state, and what it wants to know there.
        """

    cdef void receive(self, Lanes *lanes) noexcept nogil:
        """What the lanes wanted has been evaluated (or its fault noted): decides which trial points are iterates now.
        """

    cdef void propose(self, Lanes *lanes) noexcept nogil:
        """Sets the next trial points, and what is wanted there, for the lanes at an iterate.

        It may compute on those that have ended, too: they are replaced before anything is evaluated.
        """
