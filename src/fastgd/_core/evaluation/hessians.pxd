from ..memory.lanes cimport Lanes
from ..memory.slab cimport Slab
from .blocks cimport Blocks


cdef class Hessians:
    cdef Blocks blocks
    cdef Slab slab
    cdef Lanes *lanes
    cdef Py_ssize_t n_evaluations     # of the function, the most that a Hessian takes
    cdef Py_ssize_t n_groups          # points, or gradients, of a Hessian
    cdef Py_ssize_t per_call          # the most of them in a call
    cdef double *steps                # (2, n_dim, capacity) offsets of the two points of every coordinate
    cdef double *moved_values         # (2, n_dim, capacity) values there
    cdef int prepare(self) except -1
    cdef void lay_out(self) noexcept nogil
    cdef int take(self, const Py_ssize_t *lane_of, Py_ssize_t n) except -1 nogil
    cdef void set_steps(self, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n, double factor) noexcept nogil
    cdef int from_gradients(self, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n) except -1 nogil
    cdef int from_values(self, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n) except -1 nogil
    cdef void move(self, const double *x, Py_ssize_t column, Py_ssize_t i, Py_ssize_t side, Py_ssize_t n) noexcept nogil
    cdef void check(self, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil
