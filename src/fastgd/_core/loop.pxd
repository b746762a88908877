from .objectives.objective cimport Objective


cdef Py_ssize_t lanes_for(Objective objective, Py_ssize_t n_problems) noexcept nogil
cpdef object index_of(problem, batch_shape)
cdef object annotate(error, note)
