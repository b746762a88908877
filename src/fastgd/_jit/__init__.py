"""Compiles functions that are written for NumPy, for `fastgd.jit`.

A function becomes a graph (`trace`, `graph`), the graph becomes kernels (`codegen`, with `elementary` and, for exact
gradients, `reverse`), and those become machine code (`machine`). What cannot be traced is compiled by numba as it is
written (`as_written`, `unrolled`), or stays Python; `watched` finds what would be another function in a kernel.
`jitted` is what users see.
"""
