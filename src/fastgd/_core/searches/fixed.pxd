from .search cimport Search


cdef class FixedRate(Search):
    pass
