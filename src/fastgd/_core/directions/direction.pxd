from ..memory.lanes cimport Lanes


cdef class Direction:
    cdef int needs            # what it must know at an iterate: GRADIENT, perhaps HESSIAN
    cdef double *state        # its first row
    cdef Py_ssize_t state_rows(self, Py_ssize_t n_dim) noexcept nogil
    cdef Py_ssize_t strip_rows(self, Py_ssize_t n_dim) noexcept nogil
    cdef int prepare(self, Lanes *lanes) except -1
    cdef void start(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil


cdef class Pointer(Direction):
    cdef const double *scale(self, const Lanes *lanes) noexcept nogil
    cdef const double *squares(self, const Lanes *lanes) noexcept nogil
    cdef const double *rows(self, const Lanes *lanes) noexcept nogil
    cdef bint turn(self, Lanes *lanes, const Py_ssize_t *begins, Py_ssize_t *begins_anew) noexcept nogil
    cdef void forget_steps(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil
    cdef bint restart(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil


cdef inline double *state_row(Direction self, const Lanes *lanes, Py_ssize_t row) noexcept nogil:
    return self.state + row * lanes.capacity
