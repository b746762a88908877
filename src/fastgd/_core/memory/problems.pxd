cdef extern from "memory/lanes.h":
    cdef enum:
        LEARNING_RATE "FASTGD_LEARNING_RATE"
        GTOL_LIMIT "FASTGD_GTOL"
        XTOL_LIMIT "FASTGD_XTOL"
        FTOL_LIMIT "FASTGD_FTOL"
        FTARGET_LIMIT "FASTGD_FTARGET"
        NOISE_LIMIT "FASTGD_NOISE"
        MAXITER_LIMIT "FASTGD_MAXITER"
        MAXFEV_LIMIT "FASTGD_MAXFEV"
        N_LIMITS "FASTGD_N_LIMITS"


cdef struct Column:
    # A number of every problem: of 8 bytes, a double or an integer.
    const char *data
    Py_ssize_t stride


cdef class Source:
    # The problems that wait: a row each.
    cdef Py_ssize_t n_problems
    cdef Py_ssize_t n_dim
    cdef Py_ssize_t next
    cdef Py_ssize_t first           # the number of its first problem, where these are part of a batch
    cdef tuple batch_shape          # of the whole batch
    cdef bint bounded
    cdef bint has_common_limits     # the same for all problems
    cdef const unsigned char[::1] watched  # 1 for each problem whose iterates are observed; None if all are
    cdef const double[:, :] x0
    cdef const double[:, :] lower
    cdef const double[:, :] upper
    cdef const double[:, :] x_scale  # powers of two; None if they are 1 or to be found
    cdef list arrays                # that the columns are in
    cdef Column[N_LIMITS] limits


cdef inline const double *limit_of(Source source, Py_ssize_t which, Py_ssize_t problem) noexcept nogil:
    """Where a limit of a problem stands."""
    return <const double *>(source.limits[which].data + problem * source.limits[which].stride)


cdef inline Py_ssize_t count_limit_of(Source source, Py_ssize_t which, Py_ssize_t problem) noexcept nogil:
    return (<const Py_ssize_t *>limit_of(source, which, problem))[0]


cdef class Sink:
    # The answers, in the order of the problems.
    cdef double[:, ::1] x
    cdef double[:, ::1] jac
    cdef double[::1] fun
    cdef Py_ssize_t[::1] nit
    cdef Py_ssize_t[::1] nfev
    cdef Py_ssize_t[::1] njev
    cdef Py_ssize_t[::1] status
    cdef Py_ssize_t[::1] reason
    cdef double[::1] seen
    cdef double[::1] expected
    cdef void leave(self, Source source, Py_ssize_t status) noexcept nogil
