"""What the user's Python functions returned, as doubles: checked for type and shape, never broadcast."""
from cpython.buffer cimport PyBUF_STRIDES, PyBuffer_Release, PyObject_GetBuffer
from libc.string cimport memcpy

from .objective cimport Block

import numpy as np

cdef object ndarray = np.ndarray
cdef object float64 = np.dtype(np.float64)


cdef str hint_at_pair(object result):
    is_pair = isinstance(result, tuple) and len(result) == 2
    return "; a pair of value and gradient goes with jac=True" if is_pair else ""


cdef object as_numbers(object result, str what):
    """A plain float64 array of what the user's function returned, or a TypeError that names its type."""
    if isinstance(result, np.ma.MaskedArray):
        raise TypeError(f"{what} must return real numbers, got a masked array")
    try:
        array = np.asarray(result)
    except ValueError:  # entries of different shapes
        raise TypeError(f"{what} must return real numbers, got a {type(result).__name__} of arrays"
                        + hint_at_pair(result)) from None
    if array.dtype.kind not in "fiub":
        found = type(result).__name__
        if array.dtype.kind != "O" or isinstance(result, ndarray):
            found = f"{found} of dtype {array.dtype}"
        raise TypeError(f"{what} must return real numbers, got {found}")
    if array.dtype.itemsize <= 8:
        return array.astype(np.float64, copy=False)
    with np.errstate(over="ignore", under="ignore"):  # a long double may be rounded to 0 or infinity
        return array.astype(np.float64)


cpdef double convert_value(object result) except? -1.0:
    """The value of one point, of whatever type."""
    if isinstance(result, int):
        return float(result)
    array = as_numbers(result, "fun")
    if array.size != 1:
        hint = hint_at_pair(result)
        if array.ndim == 1 and not hint:
            hint = f"; problems of one variable each start at an x0 of shape ({array.size}, 1)"
        raise ValueError(f"fun must return one number for one point, got an array of shape {array.shape}{hint}")
    return array.item()


cdef int copy_values(object result, const Block *block) except -1:
    """f = result, for the values of a block; no broadcasting."""
    cdef Py_buffer buffer
    cdef Py_ssize_t j, n = block.n_points
    cdef double *f = block.out.f
    if type(result) is not ndarray or result.dtype is not float64:
        result = as_numbers(result, "fun")
    if result.ndim != 1 or result.shape[0] != n:
        raise ValueError(f"fun must return one value per point: expected shape ({n},), got {result.shape}")
    PyObject_GetBuffer(result, &buffer, PyBUF_STRIDES)
    if buffer.strides[0] == sizeof(double):
        memcpy(f, buffer.buf, n * sizeof(double))
    else:
        for j in range(n):
            f[j] = (<double *>(<char *>buffer.buf + j * buffer.strides[0]))[0]
    PyBuffer_Release(&buffer)
    return 0


cdef int copy_gradients(object result, bint rows, const Block *block) except -1:
    """g = result, for the gradients of a block; no broadcasting."""
    cdef Py_buffer buffer
    cdef Py_ssize_t i, j, step, n = block.n_points
    cdef char *row
    cdef double *g
    cdef tuple expected = (block.n_points, block.n_dim) if rows else (block.n_dim, block.n_points)
    result = as_numbers(result, "jac")
    if 1 in expected and result.shape == (block.n_dim * block.n_points,) or expected == (1, 1) and result.shape == ():
        result = result.reshape(expected)
    elif block.n_points == 1 or result.shape != expected:
        if block.n_points == 1:
            expected = (block.n_dim,)
        raise ValueError(f"jac must return the shape of its argument: expected {expected}, got {result.shape}")
    if rows:
        result = result.T
    PyObject_GetBuffer(result, &buffer, PyBUF_STRIDES)
    step = buffer.strides[1]
    for i in range(block.n_dim):
        row = <char *>buffer.buf + i * buffer.strides[0]
        g = block.out.g + i * block.stride
        for j in range(n):
            g[j] = (<double *>(row + j * step))[0]
    PyBuffer_Release(&buffer)
    return 0


cdef tuple split_pair(object result):
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise TypeError(f"with jac=True fun must return a pair (value, gradient), got {type(result).__name__}")
    return tuple(result)
