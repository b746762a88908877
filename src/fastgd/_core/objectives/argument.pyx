"""The arrays that Python functions are called with."""
from cython cimport final
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject

import numpy as np

cdef extern from "Python.h":
    PyObject *PyTuple_GET_ITEM(object items, Py_ssize_t i)


cdef object NDARRAY = np.ndarray
cdef object FLOAT64 = np.dtype(np.float64)
cdef int OWN_DATA = 4  # NPY_ARRAY_OWNDATA: the memory is the array's own


cdef double *buffer_of(object array) except NULL:
    """Where a writable array has its numbers, by the buffer protocol."""
    cdef Py_buffer buffer
    PyObject_GetBuffer(array, &buffer, PyBUF_WRITABLE)
    PyBuffer_Release(&buffer)
    return <double *>buffer.buf


cdef bint heads_are_known() except -1:
    """Whether arrays begin as declared here, and their counts of references mean what they say."""
    array = np.empty((2, 3))
    cdef fastgd_array *head = <fastgd_array *><PyObject *>array
    return (FASTGD_COUNTS_ARE_EXACT and head.data == <char *>buffer_of(array) and head.nd == 2
            and head.dimensions[0] == 2 and head.dimensions[1] == 3 and head.strides[0] == 24 and head.strides[1] == 8
            and head.base == NULL and head.descr == <PyObject *>FLOAT64 and head.flags & OWN_DATA
            and head.weakreflist == NULL)


cdef bint HEADS_ARE_KNOWN = heads_are_known()


cdef double *memory_of(object array) except NULL:
    """Where a new array of doubles has its numbers; the buffer protocol takes longer than a call of a small function.
    """
    return <double *>(<fastgd_array *><PyObject *>array).data if HEADS_ARE_KNOWN else buffer_of(array)


cdef double *memory_of_nobody(object array, Py_ssize_t n_references, Py_ssize_t n) noexcept:
    """Where an array of n doubles, one behind the other, has its numbers; NULL if it is no such array, or if others may
    see or change them than the caller, who has so many references. (A weak one may become another.)"""
    cdef const fastgd_array *head = <const fastgd_array *><PyObject *>array
    if (not HEADS_ARE_KNOWN or type(array) is not NDARRAY or Py_REFCNT(<PyObject *>array) != n_references
            or head.base != NULL or head.descr != <PyObject *>FLOAT64 or head.nd != 1 or head.dimensions[0] != n
            or head.strides[0] != sizeof(double) or not head.flags & OWN_DATA or head.weakreflist != NULL):
        return NULL
    return <double *>head.data


cdef void photograph(Header *header, PyObject *array) noexcept:
    cdef fastgd_array *head = <fastgd_array *>array
    cdef int axis
    header.array = array
    header.references = Py_REFCNT(array)
    header.data = head.data
    header.descr = head.descr
    header.n_axes = head.nd
    header.flags = head.flags
    for axis in range(min(head.nd, 2)):
        header.shape[axis] = head.dimensions[axis]
        header.strides[axis] = head.strides[axis]


cdef tuple present(object array, bint rows, bint unpack):
    """The arguments under which a function sees an array of points."""
    if unpack:
        return tuple(array)
    # a view: of one whose base is read-only the user cannot change the flag
    return (array.T if rows else array.view(),)


@final
cdef class Argument:
    """The array that a Python function is called with: used again only while nobody else can see it."""

    def __cinit__(self, tuple shape, bint writable, bint rows=False, bint unpack=False):
        cdef Py_ssize_t i
        self.array = np.empty(shape)
        self.data = memory_of(self.array)
        if not writable:
            self.array.flags.writeable = False
        self.handed = (self.array,) if writable else present(self.array, rows, unpack)
        if not HEADS_ARE_KNOWN:
            return
        self.n_headers = len(self.handed) if self.handed[0] is self.array else len(self.handed) + 1
        self.headers = <Header *>PyMem_Malloc(self.n_headers * sizeof(Header))
        if self.headers == NULL:
            raise MemoryError
        photograph(&self.headers[0], <PyObject *>self.array)
        for i in range(1, self.n_headers):
            photograph(&self.headers[i], PyTuple_GET_ITEM(self.handed, i - 1))

    def __dealloc__(self):
        PyMem_Free(self.headers)
