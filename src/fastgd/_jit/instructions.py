"""Instructions of LLVM for several points at once, written by means of Python's operators."""

import struct

# What numbers are besides doubles: their bits, and truth values.
DOUBLE, BITS, MASK = "double", "i64", "i1"


class Value:
    """What an instruction has computed, for several points."""

    __slots__ = ("code", "kind", "name")
    __hash__ = object.__hash__

    def __init__(self, code, kind, name):
        self.code = code
        self.kind = kind
        self.name = name

    def number(self, number):
        """A number of the same kind."""
        return number if isinstance(number, Value) else self.code.constant(number, self.kind)

    def binary(self, other, of_doubles, of_bits=None, swapped=False):
        first, second = self, self.number(other)
        if swapped:
            first, second = second, first
        return self.code.instruction(of_doubles if self.kind == DOUBLE else of_bits, first, second)

    def __add__(self, other):
        return self.binary(other, "fadd", "add")

    def __radd__(self, other):
        return self.binary(other, "fadd", "add", swapped=True)

    def __sub__(self, other):
        return self.binary(other, "fsub", "sub")

    def __rsub__(self, other):
        return self.binary(other, "fsub", "sub", swapped=True)

    def __mul__(self, other):
        return self.binary(other, "fmul")

    def __truediv__(self, other):
        return self.binary(other, "fdiv")

    def __rtruediv__(self, other):
        return self.binary(other, "fdiv", swapped=True)

    def __neg__(self):
        return self.code.instruction("fneg", self)

    def __lshift__(self, other):
        return self.binary(other, None, "shl")

    def __rshift__(self, other):
        return self.binary(other, None, "lshr")

    def __and__(self, other):
        return self.binary(other, None, "and")

    def __or__(self, other):
        return self.binary(other, None, "or")

    def __xor__(self, other):
        return self.binary(other, None, "xor")

    def __invert__(self):
        return self ^ True

    def __lt__(self, other):
        return self.compared("olt", other)

    def __le__(self, other):
        return self.compared("ole", other)

    def __gt__(self, other):
        return self.compared("ogt", other)

    def __ge__(self, other):
        return self.compared("oge", other)

    def __eq__(self, other):
        return self.compared("oeq" if self.kind == DOUBLE else "eq", other)

    def __ne__(self, other):
        return self.compared("une", other)

    def compared(self, how, other):
        return self.code.instruction(f"{'fcmp' if self.kind == DOUBLE else 'icmp'} {how}", self, self.number(other),
                                     kind=MASK)

    def __abs__(self):
        return self.code.intrinsic("fabs", self)

    def fma(self, factor, summand):
        """self * factor + summand, rounded once."""
        return self.code.intrinsic("fma", self, self.number(factor), self.number(summand))

    def with_sign_of(self, other):
        return self.code.intrinsic("copysign", self, other)

    def choose(self, chosen, other):
        """One value where this is true and the other where it is not."""
        chosen = other.number(chosen)
        return self.code.emit(DOUBLE, f"select {self.code.typed(self)}, {self.code.typed(chosen)}, "
                                      f"{self.code.typed(other)}")

    def clipped(self, lower, upper):
        """Between two numbers; a nan stays one."""
        lifted = (self < lower).choose(lower, self)
        return (self > upper).choose(upper, lifted)

    def bits(self):
        return self.code.emit(BITS, f"bitcast {self.code.typed(self)} to {self.code.type(BITS)}")

    def as_double(self):
        return self.code.emit(DOUBLE, f"bitcast {self.code.typed(self)} to {self.code.type(DOUBLE)}")

    def small_as_double(self):
        """The double of a whole number below 2^52, given as bits."""
        return (self | struct.unpack("<q", struct.pack("<d", 2.0**52))[0]).as_double() - 2.0**52


class Code:
    """Instructions for `width` points at once."""

    def __init__(self, width):
        self.width = width
        self.lines = []
        self.functions = set()  # of the C library, and intrinsics, by their declarations

    def type(self, kind):
        return kind if self.width == 1 else f"<{self.width} x {kind}>"

    def typed(self, value):
        return f"{self.type(value.kind)} {value.name}"

    def emit(self, kind, text):
        name = f"%v{len(self.lines)}"
        self.lines.append(f"  {name} = {text}")
        return Value(self, kind, name)

    def constant(self, number, kind=DOUBLE):
        if kind == DOUBLE:
            text = f"0x{struct.unpack('<Q', struct.pack('<d', number))[0]:016X}"
        else:
            text = str(int(number)) if kind == BITS else str(bool(number)).lower()
        if self.width > 1:
            text = "<" + ", ".join([f"{kind} {text}"] * self.width) + ">"
        return Value(self, kind, text)

    def instruction(self, operation, first, *others, kind=None):
        names = "".join(f", {other.name}" for other in others)
        return self.emit(kind or first.kind, f"{operation} {self.typed(first)}{names}")

    def intrinsic(self, name, *arguments):
        suffix = "f64" if self.width == 1 else f"v{self.width}f64"
        kind = self.type(DOUBLE)
        self.functions.add(f"declare {kind} @llvm.{name}.{suffix}({', '.join([kind] * len(arguments))})")
        return self.emit(DOUBLE, f"call {kind} @llvm.{name}.{suffix}({', '.join(map(self.typed, arguments))})")

    def library(self, name, *arguments):
        """A function of the C library, of one point after the other."""
        self.functions.add(f"declare double @{name}({', '.join(['double'] * len(arguments))}) nounwind willreturn")
        if self.width == 1:
            return self.emit(DOUBLE, f"call double @{name}({', '.join(map(self.typed, arguments))})")
        result = Value(self, DOUBLE, "poison")
        for k in range(self.width):
            parts = [self.emit(DOUBLE, f"extractelement {self.typed(argument)}, i32 {k}") for argument in arguments]
            part = self.emit(DOUBLE, f"call double @{name}({', '.join(f'double {part.name}' for part in parts)})")
            result = self.emit(DOUBLE, f"insertelement {self.typed(result)}, double {part.name}, i32 {k}")
        return result

    def address(self, rows, i):
        """Of the points in work in one of the rows of an array."""
        start = self.emit(None, f"mul i64 %stride, {i}")
        place = self.emit(None, f"add i64 {start.name}, %p")
        return self.emit(None, f"getelementptr double, ptr %{rows}, i64 {place.name}").name

    def load(self, rows, i):
        return self.emit(DOUBLE, f"load {self.type(DOUBLE)}, ptr {self.address(rows, i)}, align 8")

    def store(self, value, rows, i):
        address = self.address(rows, i)
        self.lines.append(f"  store {self.typed(value)}, ptr {address}, align 8")

    def fill(self, value, rows, first, n_rows):
        """Stores one value in consecutive rows, by a loop: LLVM's time grows as the square of the stores in a block."""
        k = len(self.lines)
        self.lines += [f"  br label %before{k}", f"before{k}:", f"  br label %row{k}", f"row{k}:",
                       f"  %i{k} = phi i64 [ {first}, %before{k} ], [ %next{k}, %row{k} ]"]
        self.store(value, rows, f"%i{k}")
        self.lines += [f"  %next{k} = add i64 %i{k}, 1", f"  %more{k} = icmp ult i64 %next{k}, {first + n_rows}",
                       f"  br i1 %more{k}, label %row{k}, label %after{k}", f"after{k}:"]


# What operations on numbers become. Those that are nowhere here are functions of the C library.

LIBRARY_NAMES = {"arcsin": "asin", "arccos": "acos", "arctan": "atan", "arctan2": "atan2", "arcsinh": "asinh",
                 "arccosh": "acosh", "arctanh": "atanh", "power": "pow"}


def minimum(a, b):
    return (a != a).choose(a, (a < b).choose(a, b))


def maximum(a, b):
    return (a != a).choose(a, (a > b).choose(a, b))


def sign(a):
    positive = (a > 0.0).choose(1.0, a.number(0.0))
    return (a == a).choose((a < 0.0).choose(-1.0, positive), a)


INSTRUCTIONS = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "negative": lambda a: -a,
    "less": lambda a, b: a < b,
    "less_equal": lambda a, b: a <= b,
    "equal": lambda a, b: a == b,
    "not_equal": lambda a, b: a != b,
    "logical_and": lambda a, b: a & b,
    "logical_or": lambda a, b: a | b,
    "logical_not": lambda a: ~a,
    "where": lambda condition, a, b: condition.choose(a, b),
    "minimum": minimum,
    "maximum": maximum,
    "sign": sign,
    "absolute": abs,
    **{operation: lambda a, name=name: a.code.intrinsic(name, a) for operation, name in (
        ("sqrt", "sqrt"), ("floor", "floor"), ("ceil", "ceil"), ("trunc", "trunc"), ("rint", "rint"))},
}
