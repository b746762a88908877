from cython cimport final, unlikely
from cpython.object cimport PyObject


cdef extern from *:
    """
    /* The head of NumPy's array object, as its ABI has had it since 1.7; see `heads_are_known`. */
    typedef struct {
        PyObject_HEAD
        char *data; int nd; Py_ssize_t *dimensions; Py_ssize_t *strides; PyObject *base; PyObject *descr; int flags;
        PyObject *weakreflist;
    } fastgd_array;
    #ifdef Py_GIL_DISABLED
    #define FASTGD_COUNTS_ARE_EXACT 0
    #else
    #define FASTGD_COUNTS_ARE_EXACT 1
    #endif
    """
    ctypedef struct fastgd_array:
        char *data
        int nd
        Py_ssize_t *dimensions
        Py_ssize_t *strides
        PyObject *base
        PyObject *descr
        int flags
        PyObject *weakreflist
    bint FASTGD_COUNTS_ARE_EXACT

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(PyObject *thing)


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


cdef inline bint has_changed(const Header *header) noexcept:
    """Whether somebody else has a reference to the array, or has changed how it sees its memory. All at once: a branch
    for each takes longer."""
    cdef const fastgd_array *head = <const fastgd_array *>header.array
    cdef Py_ssize_t changes = (
        (Py_REFCNT(header.array) ^ header.references) | (<Py_ssize_t>head.data ^ <Py_ssize_t>header.data)
        | (<Py_ssize_t>head.descr ^ <Py_ssize_t>header.descr) | (head.nd ^ header.n_axes) | (head.flags ^ header.flags))
    if unlikely(changes):
        return True
    if header.n_axes > 0:
        changes = (head.dimensions[0] ^ header.shape[0]) | (head.strides[0] ^ header.strides[0])
    if unlikely(header.n_axes > 1):
        changes |= (head.dimensions[1] ^ header.shape[1]) | (head.strides[1] ^ header.strides[1])
    return changes != 0


@final
cdef class Argument:
    cdef readonly object array  # the owner of the memory
    cdef readonly tuple handed  # what the user's function gets: the array, its transpose, or its rows
    cdef double *data
    cdef Header *headers        # of the array, then of what is handed
    cdef Py_ssize_t n_headers   # 0 where they say nothing: then the array is not used twice


cdef inline bint is_untouched(Argument argument) noexcept:
    """Whether nobody else sees the array, or has changed how it sees its memory."""
    cdef Py_ssize_t i
    for i in range(argument.n_headers):
        if has_changed(&argument.headers[i]):
            return False
    return argument.n_headers > 0


cdef double *memory_of(object array) except NULL
cdef double *memory_of_nobody(object array, Py_ssize_t n_references, Py_ssize_t n) noexcept
cdef tuple present(object array, bint rows, bint unpack)
