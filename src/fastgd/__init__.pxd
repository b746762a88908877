from ._core.objectives.objective cimport GRADIENT, HESSIAN, LATE, VALUE, Block, Objective
