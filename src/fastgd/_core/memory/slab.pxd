cdef class Slab:
    cdef void *memory
    cdef double *next
    cdef int allocate(self, str what, Py_ssize_t n_problems, Py_ssize_t n_dim) except -1
    cdef double *take(self, Py_ssize_t length) noexcept nogil


cdef inline Py_ssize_t *take_integers(Slab slab, Py_ssize_t length) noexcept nogil:
    return <Py_ssize_t *>slab.take(length)
