from .lanes cimport Lanes


cdef class Rule:
    cdef Py_ssize_t state_rows(self, Py_ssize_t n_dim) noexcept nogil
    cdef void start(self, Lanes lanes, Py_ssize_t lane) noexcept nogil
    cdef void receive(self, Lanes lanes) noexcept nogil
    cdef void propose(self, Lanes lanes) noexcept nogil


cdef class GradientDescent(Rule):
    pass
