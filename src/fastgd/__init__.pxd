from ._core.objective cimport GRADIENT, LATE, VALUE, Block, Objective
