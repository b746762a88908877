from ._core.objective cimport GRADIENT, VALUE, Block, Objective
