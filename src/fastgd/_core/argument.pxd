from cython cimport final
from cpython.object cimport PyObject


cdef struct Header:
    # What an array looked like when it was handed out.
    PyObject *array
    Py_ssize_t references
    void *data
    void *descr
    int n_axes
    int flags
    Py_ssize_t shape[2]
    Py_ssize_t strides[2]


@final
cdef class Argument:
    cdef readonly object array  # the owner of the memory
    cdef readonly tuple handed  # what the user's function gets: the array, its transpose, or its rows
    cdef double *data
    cdef Header *headers        # of the array, then of what is handed
    cdef Py_ssize_t n_headers
    cdef bint is_untouched(self) noexcept


cdef double *memory_of(object array) except NULL
cdef tuple present(object array, bint rows, bint unpack)
