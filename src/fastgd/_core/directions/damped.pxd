from ..memory.lanes cimport Lanes
from ..memory.slab cimport Slab
from .direction cimport Pointer


cdef class Damped(Pointer):
    cdef Slab slab
    cdef double *L            # (n_dim, n_dim) a triangular factor and its pivots
    cdef double *scales       # (n_dim,) D
    cdef double *slopes       # (n_dim,) g
    cdef Py_ssize_t *is_free  # (n_dim,)
    cdef void set_scales(self, const Lanes *lanes, Py_ssize_t lane) noexcept nogil
    cdef bint factorize(self, const Lanes *lanes, Py_ssize_t lane, double damping) noexcept nogil
    cdef void point_down(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil
    cdef void solve(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil
    cdef bint damp(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil
    cdef void relax(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil
