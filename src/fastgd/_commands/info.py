"""`fastgd info`: versions, what the CPU can do, and the optional packages."""

import json
import platform
from pathlib import Path

import numpy as np

from .. import __version__
from . import add_command

#: The extras: what each is for, and its packages.
EXTRAS = {
    "jit": ("NumPy functions at the speed of C", ("numba",)),
    "plot": ("pictures", ("matplotlib",)),
    "interactive": ("surfaces to turn with the mouse", ("plotly",)),
    "progress": ("progress bars", ("tqdm",)),
    "dask": ("batches on a cluster", ("cloudpickle", "distributed")),
}
#: What else fastgd looks for, which no extra installs.
COMPANIONS = {"scipy": "compared with by demo and bench; fastgd.scipy_method"}

#: The versions of every loop in the core, best first, with the flags of /proc/cpuinfo that they need.
LEVELS = {
    "x86-64-v4": ("AVX-512", "avx512f avx512bw avx512cd avx512dq avx512vl"),
    "x86-64-v3": ("AVX2", "avx avx2 bmi1 bmi2 f16c fma abm movbe"),
}


def add_to(commands):
    parser = add_command(
        commands, "info", run, "show versions, CPU, and which optional packages are there",
        "Shows what a report of a problem should contain: versions, the instruction set that the compiled\n"
        "loops use, the number of threads, and which optional packages are installed.",
        "examples:\n  fastgd info\n  fastgd info --json > info.json")
    parser.add_argument("--json", action="store_true", help="print JSON, for other programs")


def run(options):
    facts = gather()
    print(json.dumps(facts, indent=2) if options.json else as_text(facts))


def gather():
    from .._crews import available_cpus

    return {
        "fastgd": __version__,
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "numpy": np.__version__,
        "core": f"compiled by Cython {cython_version()}",
        "platform": platform.platform(),
        "instructions": instructions(),
        "threads": available_cpus(),
        "extras": {name: {"for": purpose, "packages": {package: version(package) for package in packages}}
                   for name, (purpose, packages) in EXTRAS.items()},
        "companions": {name: {"for": purpose, "version": version(name)} for name, purpose in COMPANIONS.items()},
    }


def version(package):
    """That of an installed package, or None."""
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def cython_version():
    """From the name of the module, such as _cython_3_3_1, in which the functions of extensions have their type."""
    from .._core.loop import run

    return type(run).__module__.removeprefix("_cython_").replace("_", ".")


def instructions():
    """Which version of the loops this CPU gets.

    The compiler decides whether there are several (see loops.h), and the loader takes the best for the CPU.
    """
    from .._core.evaluation import differences

    if b"arch_x86_64_v3" not in Path(differences.__file__).read_bytes():
        return "one version of each loop: this build has no others, or hides their names"
    flags = cpu_flags()
    for level, (name, needed) in LEVELS.items():
        if flags.issuperset(needed.split()):
            return f"{level} ({name})"
    return "x86-64 (no AVX2)"


def cpu_flags():
    """Of the first CPU, as Linux knows them; only there does the core have several versions of its loops."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return set(next((line for line in lines if line.startswith("flags")), "").split())


def as_text(facts):
    lines = [f"{name:<14}{facts[name]}" for name in ("fastgd", "python", "numpy", "core", "platform", "instructions")]
    lines += [f"{'threads':<14}{facts['threads']} (what workers=-1 uses)", "", "optional packages"]
    for name, extra in facts["extras"].items():
        found = ", ".join(f"{package} {version or 'missing'}" for package, version in extra["packages"].items())
        missing = None in extra["packages"].values()
        lines.append(describe(name, extra["for"], found, f'pip install "fastgd[{name}]"' if missing else ""))
    for name, companion in facts["companions"].items():
        found = f"{name} {companion['version'] or 'missing'}"
        lines.append(describe(name, companion["for"], found, "" if companion["version"] else f"pip install {name}"))
    return "\n".join(lines)


def describe(name, purpose, found, remedy):
    return f"  {name:<12}{found} ({purpose})" + (f"\n  {'':<12}to install: {remedy}" if remedy else "")
