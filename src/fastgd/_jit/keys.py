"""Cache keys: when a jitted function must be compiled again."""

import io
import math
import pickle
import types

# Modules whose classes and functions stay as they are.
UNCHANGING = ("builtins", "copyreg", "_codecs", "datetime", "decimal", "fractions", "numpy")


class KeyPickler(pickle.Pickler):
    """Pickles what stays the same while its bytes do: no functions and classes, which would be pickled by name."""

    def reducer_override(self, thing):
        if isinstance(thing, (type, types.FunctionType, types.BuiltinFunctionType)):
            module = getattr(thing, "__module__", None) or ""
            if module.partition(".")[0] not in UNCHANGING:
                raise pickle.PicklingError(f"{thing} may change")
        return NotImplemented


def key_of(args):
    """Their bytes, or None where these do not tell whether they have changed."""
    content = io.BytesIO()
    try:
        KeyPickler(content).dump(args)
    except Exception:  # whatever the user's objects raise
        return None
    return content.getvalue()


def magnitude(array):
    """About how large whole numbers are: a power of two that they do not exceed; infinity if there is none to 2^53."""
    if array.dtype.kind not in "iu":
        return 0
    largest = max(abs(int(array.max(initial=0))), abs(int(array.min(initial=0))))
    return min((2**k for k in (8, 16, 24, 32, 40, 48, 53) if largest <= 2**k), default=math.inf)
