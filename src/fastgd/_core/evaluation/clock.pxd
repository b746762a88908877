from libc.math cimport INFINITY

cdef extern from "evaluation/clock.h":
    double fastgd_seconds() noexcept nogil


cdef class Clock:
    cdef double deadline    # no call to the objective begins after it,
    cdef bint is_closing    # but for the values at the answers, unless the run was cancelled


cdef inline bint time_is_over(Clock clock) noexcept nogil:
    if clock.is_closing:
        return clock.deadline == 0.0
    return clock.deadline < INFINITY and fastgd_seconds() > clock.deadline
