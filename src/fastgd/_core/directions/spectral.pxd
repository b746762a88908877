from ..memory.lanes cimport Lanes
from ..memory.slab cimport Slab
from .direction cimport Pointer


cdef class Spectral(Pointer):
    cdef Slab slab
    cdef Py_ssize_t *moves    # (capacity,)
    cdef double *limit        # (capacity,)
    cdef double first_step(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil
