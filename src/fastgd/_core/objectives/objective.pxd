cdef enum:
    # What a lane can want of an objective, and what an evaluation supplied: a mask.
    VALUE = 1
    GRADIENT = 2
    HESSIAN = 4
    # Returned instead, by an objective that was not ready by the deadline.
    LATE = 8


cdef enum:
    # Rows so many numbers apart, 4096 bytes, compete for the same places of the first cache.
    ALIASING = 512


cdef struct Outputs:
    # Where the answers go. An objective may have the values elsewhere, until the next call is over: it sets f then.
    double *f                   # (n_points,)
    double *g                   # (n_dim, stride) the gradients
    # (n_dim (n_dim + 1) / 2, stride) the Hessians: row i (i + 1) / 2 + j has d2f / dxi dxj, j <= i
    double *H


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
    Outputs out


cdef class Objective:
    cdef readonly bint needs_gil
    cdef readonly int supplies       # what `evaluate` can answer: a mask
    cdef readonly bint has_pairs     # gradients come with values
    cdef readonly int gradient_cost  # how many evaluations of the function a gradient takes, besides the value
    cdef readonly bint owns_points   # its `prepare` provides the memory for the points
    cdef readonly bint takes_points  # `evaluate_moved` takes one contiguous point
    cdef readonly bint has_differences  # `evaluate_differences` takes those of a block
    cdef readonly Py_ssize_t width   # how many points it likes to get in one call
    cdef int prepare(self, Block *block) except -1 nogil
    cdef int evaluate(self, Block *block, int want) except -1 nogil
    cdef Py_ssize_t evaluate_moved(self, Block *block, double *coordinates, Py_ssize_t n_moves) except -1 nogil
    cdef int evaluate_differences(self, Block *block, const double *h) except -1 nogil
