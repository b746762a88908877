from ..memory.lanes cimport Lanes
from ..memory.slab cimport Slab
from .direction cimport Pointer

cdef extern from "directions/quasi_newton.h":
    ctypedef struct Strip "fastgd_strip":
        double *s
        double *r
        double *g
        double *p
        double *u
        double *free
        double *products


cdef class QuasiNewton(Pointer):
    cdef Slab slab
    cdef Strip strip
    cdef Py_ssize_t n_pairs(self) noexcept nogil
    cdef void forget(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil


cdef class BFGS(QuasiNewton):
    pass


cdef class LBFGS(QuasiNewton):
    cdef Py_ssize_t memory
