"""From the text of a module to functions in memory, by LLVM."""

import ctypes

import llvmlite  # type: ignore[import-untyped, import-not-found]
import llvmlite.binding as llvm  # type: ignore[import-untyped, import-not-found]
import numpy as np

from . import cache


def host():
    """The machine that is compiled for: this one."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features()


class Library:
    """Functions compiled from a module, or loaded if it was compiled before; they live as long as this object."""

    def __init__(self, text):
        cpu, features = host()
        module = llvm.parse_assembly(text)
        machine = {"cpu": cpu, "features": features.flatten(), "opt": 2, "reloc": "default", "codemodel": "jitdefault"}
        target = llvm.Target.from_default_triple().create_target_machine(**machine, jit=True)
        key = cache.key_of(text, target.triple, llvmlite.__version__, *map(str, machine.values()))
        self.engine = llvm.create_mcjit_compiler(module, target)
        self.engine.set_object_cache(lambda module, code: cache.write(key, code), lambda module: cache.read(key))
        self.engine.finalize_object()

    def address(self, name):
        address = self.engine.get_function_address(name)
        if not address:
            raise RuntimeError(f"the machine code holds no function {name}")
        return address


def value_at(address, x, data):
    """The value of a kernel at one point."""
    n_points = 8
    block = np.repeat(np.asarray(x, float)[:, None], n_points, axis=1)
    params = np.repeat(np.asarray(data, float)[:, None], n_points, axis=1)
    values = np.empty(n_points)
    size, pointer = ctypes.c_ssize_t, ctypes.c_void_p
    kernel = ctypes.CFUNCTYPE(ctypes.c_int, size, size, size, size, pointer, pointer, pointer, pointer)(address)
    status = kernel(len(x), len(data), n_points, n_points, block.ctypes.data, params.ctypes.data, values.ctypes.data,
                    None)
    if status:
        raise RuntimeError(f"the kernel returned status {status}")
    return float(values[0])
