"""What the loop evaluates: an `Objective` gets a `Block` of points, a column each, and fills in their values."""


cdef class Objective:
    """A function of many points at once; subclasses set the attributes and override `evaluate`."""

    def __cinit__(self, *args, **kwargs):
        self.needs_gil = False
        self.has_gradient = False
        self.gradient_cost = 0
        self.owns_points = False
        self.width = 64

    cdef int prepare(self, Block *block) except -1 nogil:
        """Says before a series of calls how many points each will have and where in memory they stand.

        An objective that likes to get more than one point may raise `n_points` by less than 64: the caller fills up
        with copies of a live point. One that owns the points' memory sets `x` and `stride`.
        """
        return 0

    cdef int evaluate(self, Block *block, int want, double *f, double *g) except -1 nogil:
        """Writes what is wanted into f (n_points,) and g (n_dim, stride) and returns the mask of what it supplied.

        An objective without a gradient of its own is never asked for one. It may move the points to other memory
        (and then changes `block.x`), but not change their values.
        """
        with gil:
            raise NotImplementedError("a subclass of Objective overrides evaluate")
