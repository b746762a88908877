cdef enum:
    # What a lane can want of an objective, and what an evaluation supplied: a mask.
    VALUE = 1
    GRADIENT = 2
    # Returned instead, by an objective that was not ready by the deadline.
    LATE = 4


cdef enum:
    # Rows so many numbers apart, 4096 bytes, compete for the same places of the first cache.
    ALIASING = 512


cdef struct Block:
    # Points to evaluate, a column each.
    double *x                   # (n_dim, stride)
    const Py_ssize_t *problems  # (n_points,) the number in the whole batch of the problem that each column belongs to
    Py_ssize_t first            # that of the first problem of the run, which may have a part of the batch
    bint *failed                # (n_points,) set where the user's function failed and the run goes on
    Py_ssize_t n_failed         # how many of them are set
    Py_ssize_t culprit          # the column whose evaluation raised, or -1
    const double *deadline      # by `fastgd_seconds`, of the calls to the user's function; another thread may set it
    Py_ssize_t n_dim
    Py_ssize_t n_points
    Py_ssize_t stride
    const double *values        # may be set to where the values are instead of in f, until the next call is over


cdef class Objective:
    cdef readonly bint needs_gil
    cdef readonly bint has_gradient  # it supplies gradients of its own
    cdef readonly int gradient_cost  # how many evaluations of the function one takes, besides the value
    cdef readonly bint owns_points   # its `prepare` provides the memory for the points
    cdef readonly bint takes_points  # `evaluate_pairs` takes one contiguous point
    cdef readonly bint has_differences  # `evaluate_differences` takes those of a block
    cdef readonly Py_ssize_t width   # how many points it likes to get in one call
    cdef int prepare(self, Block *block) except -1 nogil
    cdef int evaluate(self, Block *block, int want, double *f, double *g) except -1 nogil
    cdef Py_ssize_t evaluate_pairs(self, Block *block, double *first, double *second) except -1 nogil
    cdef int evaluate_differences(self, Block *block, const double *h, double *out) except -1 nogil
