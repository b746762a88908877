"""Builds the extension modules of `fastgd._core`; everything else stands in pyproject.toml.

`FASTGD_DEBUG=1` builds with bounds checks, debug symbols and without optimization.
"""
import os
import sys

from Cython.Build import cythonize
from setuptools import Extension, setup

MODULES = ["memory.slab", "memory.problems", "memory.lanes", "stopping",
           "objectives.objective", "objectives.returned", "objectives.argument", "objectives.pointwise",
           "objectives.vectorized", "objectives.compiled", "objectives.kernels",
           "evaluation.clock", "evaluation.blocks", "evaluation.stencils", "evaluation.differences",
           "evaluation.hessians", "evaluation.evaluator", "evaluation.repairs",
           "evaluation.calibration", "evaluation.comparison", "evaluation.scales",
           "directions.direction", "directions.first_order", "directions.spectral", "directions.quasi_newton",
           "directions.damped",
           "directions.noise",
           "searches.search", "searches.fixed", "searches.armijo", "searches.trust", "searches.rates",
           "answers", "derivatives", "verification", "loop"]

DEBUG = os.environ.get("FASTGD_DEBUG") == "1"
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "wraparound": False,
    "initializedcheck": DEBUG,
    "cdivision": True,
    "freethreading_compatible": True,
    "auto_pickle": False,  # objects of the core stay in their process: it takes C structs apart only in part
    "autotestdict": False,
}
if sys.platform == "win32":
    FLAGS = ["/Od", "/Zi"] if DEBUG else ["/O2", "/fp:precise"]
elif DEBUG:
    FLAGS = ["-O0", "-g", "-ffp-contract=off"]
else:
    # Without -ffp-contract=off a compiler may fuse x - rate * g, and results would depend on the machine. Without
    # -fno-trapping-math, which changes no value, loops that choose between two numbers do not become vector code.
    FLAGS = ["-O3", "-g0", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]

extensions = [
    Extension(f"fastgd._core.{name}", ["src/fastgd/_core/{}.pyx".format(name.replace(".", "/"))],
              include_dirs=["src/fastgd/_core"], extra_compile_args=FLAGS)
    for name in MODULES
]
# In a folder of its own, or what an ordinary build has left there would be taken for up to date.
BUILD = "build/debug" if DEBUG else "build/release"
setup(ext_modules=cythonize(extensions, compiler_directives=DIRECTIVES, build_dir=f"{BUILD}/cython"),
      options={"build": {"build_base": BUILD}, "build_ext": {"parallel": os.cpu_count()}})
