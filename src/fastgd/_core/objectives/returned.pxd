from .objective cimport Block


cpdef double convert_value(object result) except? -1.0
cdef int copy_values(object result, const Block *block) except -1
cdef int copy_gradients(object result, bint rows, const Block *block) except -1
cdef tuple split_pair(object result)
