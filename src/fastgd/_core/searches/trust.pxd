from ..directions.damped cimport Damped
from .armijo cimport Armijo


cdef class Trust(Armijo):
    cdef Damped damped    # the direction
