from ..memory.lanes cimport Lanes
from ..memory.slab cimport Slab
from .blocks cimport Blocks
from .evaluator cimport Evaluator


cdef class Comparison:
    cdef Evaluator evaluator
    cdef Blocks blocks
    cdef Slab slab
    cdef Lanes *lanes
    cdef Py_ssize_t[1] listed
    cdef double *v            # (n_dim,) the way
    cdef double ahead         # f at the end of the first way that was gone last
    cdef int prepare(self, Lanes *lanes) except -1
    cdef bint agrees(self, Py_ssize_t lane, double *slope, double *by_values) except -1 nogil
    cdef int compare(self, Py_ssize_t lane, double length, double *promised, double *seen,
                     double *rounding) except -1 nogil
