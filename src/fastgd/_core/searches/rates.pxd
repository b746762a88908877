from ..memory.lanes cimport Lanes


cdef class LearningRates:
    cdef object rates
    cdef Py_ssize_t most  # iterations of any problem
    cdef const double[::1] table
    cdef int extend(self, Py_ssize_t n) except -1
    cdef int look_up(self, Lanes *lanes) except -1 nogil
