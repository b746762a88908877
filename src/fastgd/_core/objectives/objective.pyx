"""What the loop evaluates: an `Objective` gets a `Block` of points, a column each, and fills in their values."""


cdef class Objective:
    """A function of many points at once, written in Cython: an instance can be the `fun` of `fastgd.minimize`.

    A subclass overrides `evaluate`, and sets attributes whose defaults do not suit it. One that needs no GIL runs
    without it::

        from fastgd cimport VALUE, Block, Objective

        cdef class SumOfSquares(Objective):
            cdef int evaluate(self, Block *block, int want) except -1 nogil:
                cdef Py_ssize_t i, j
                for j in range(block.n_points):
                    block.out.f[j] = 0.0
                    for i in range(block.n_dim):
                        block.out.f[j] += block.x[i * block.stride + j]**2
                return VALUE

    Attributes
    ----------
    needs_gil : bool, default False
        Whether the loop should hold the GIL all the time, because every evaluation takes it.
    supplies : int, default VALUE
        A mask of VALUE, GRADIENT and HESSIAN: what `evaluate` can answer. The loop takes differences for the rest.
    has_pairs : bool, default False
        Whether `evaluate` always supplies VALUE and GRADIENT together, which counts as one evaluation.
    gradient_cost : int, default 0
        How many evaluations of the function one such gradient counts as, besides that of the value.
    owns_points : bool, default False
        Whether `prepare` provides the memory for the points.
    takes_points : bool, default False
        Whether differences come from `evaluate_moved`, which gets one point at a time.
    has_differences : bool, default False
        Whether differences come from `evaluate_differences`, without values.
    width : int, default 64
        About how many points it likes to get in one call: it may get up to twice as many, and those that fill up.
    """

    def __cinit__(self):  # which ignores the arguments of subclasses
        self.needs_gil = False
        self.supplies = VALUE
        self.has_pairs = False
        self.gradient_cost = 0
        self.owns_points = False
        self.takes_points = False
        self.has_differences = False
        self.width = 64

    cdef int prepare(self, Block *block) except -1 nogil:
        """Says before a series of calls how many points each will have and where in memory they stand.

        An objective that likes to get more than one point may raise `n_points` by less than 64: the caller fills up
        with copies of a live point. One that owns the points' memory sets `x` and `stride`.
        """
        return 0

    cdef int evaluate(self, Block *block, int want) except -1 nogil:
        """Writes what is wanted into `block.out` and returns the mask of what it supplied, or LATE if it was not ready
        by the deadline.

        An objective is asked only for what it supplies. The points must not change: they may be the loop's own. Only
        an objective that owns their memory may move them to another (and then changes `block.x`).
        """
        with gil:
            raise NotImplementedError("a subclass of Objective overrides evaluate")

    cdef Py_ssize_t evaluate_moved(self, Block *block, double *coordinates, Py_ssize_t n_moves) except -1 nogil:
        """Replaces, for every coordinate i of the only point x (n_dim,), each of the n_moves numbers
        coordinates[(k * n_dim + i) * stride], k < n_moves, by the value at x with that number in place of x[i].

        Returns how many it has evaluated when the deadline came, in the order of i and then of k. It may change x, and
        leaves it as it was.
        """
        with gil:
            raise NotImplementedError("an Objective that takes points overrides evaluate_moved")

    cdef int evaluate_differences(self, Block *block, const double *h) except -1 nogil:
        """Writes f(x + h) - f(x - h) in every coordinate into `block.out.g`, which like the steps h is (n_dim, stride).

        The number of points is a multiple of 8. Where a difference is not finite the values are asked for.
        """
        with gil:
            raise NotImplementedError("an Objective that has differences overrides evaluate_differences")
