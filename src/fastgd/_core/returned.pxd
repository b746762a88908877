from .objective cimport Block


cpdef double convert_value(object result) except? -1.0
cdef int copy_values(object result, double sign, double *f, Py_ssize_t n) except -1
cdef int copy_gradients(object result, double sign, bint rows, double *g, const Block *block) except -1
cdef tuple split_pair(object result)
