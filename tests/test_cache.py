"""Machine code of jitted functions in files: loaded again, or made again where it must not be trusted."""

import os

import numpy as np
import pytest

from fastgd import jit, minimize
from tests.problems import bits

pytest.importorskip("numba")
from fastgd._jit import cache

X0 = np.random.default_rng(0).uniform(-1.0, 1.0, (9, 3))


def waves(x):
    return np.sum(np.cos(3.0 * x) + x**2)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the files go in this test."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    return tmp_path / "fastgd"


@pytest.fixture
def written(monkeypatch):
    """The names under which machine code was kept, because it had to be made."""
    names = []
    write = cache.write

    def noted(key, code):
        names.append(key)
        write(key, code)

    monkeypatch.setattr(cache, "write", noted)
    return names


def solved():
    function = jit(waves)
    result = minimize(function, X0)
    assert function.kind == "traced"
    return bits(result)


def test_what_was_compiled_is_loaded(folder, written):
    expected = solved()
    assert sorted(written) == sorted(os.listdir(folder))
    assert len(written) == 2  # values and differences
    assert solved() == expected
    assert len(written) == 2


def test_other_functions_have_other_files(folder, written):
    solved()
    minimize(jit(lambda x: np.sum(np.cos(3.5 * x) + x**2)), X0)
    minimize(jit(waves), X0[:, :2])
    minimize(jit(waves, libm=True), X0)
    assert len(set(written)) == len(os.listdir(folder)) == 8


def cut(content):
    return content[:len(content) // 2]


def flipped(content):
    return content[:100] + bytes([content[100] ^ 1]) + content[101:]


@pytest.mark.parametrize("damage", [cut, flipped, lambda content: b""], ids=["cut", "flipped", "empty"])
def test_damaged_files_are_made_again(folder, written, damage):
    """Loading them would crash."""
    expected = solved()
    for path in folder.iterdir():
        path.write_bytes(damage(path.read_bytes()))
    assert solved() == expected
    assert written[2:] == written[:2]
    assert solved() == expected
    assert len(written) == 4


def test_files_under_another_name_are_made_again(folder, written):
    """Undamaged code of another function: its kernels would give other values, or none at all."""
    expected = solved()
    names = list(written)
    contents = [(folder / name).read_bytes() for name in names]
    for name, content in zip(names, reversed(contents), strict=True):
        (folder / name).write_bytes(content)
    assert solved() == expected
    assert written[2:] == names


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="files have no owners here")
def test_files_of_others_are_not_loaded(folder, written):
    """Nor those that others could have written."""
    expected = solved()
    folder.chmod(0o777)
    assert solved() == expected
    assert len(written) == 4
    folder.chmod(0o700)
    for path in folder.iterdir():
        path.chmod(0o666)
    assert solved() == expected
    assert len(written) == 6


def test_no_place_for_files(tmp_path, monkeypatch):
    expected = solved()
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    assert solved() == expected


def test_the_files_do_not_become_many(folder, monkeypatch):
    """Those that were used longest ago go."""
    monkeypatch.setattr(cache, "MOST_FILES", 4)
    for k in range(9):
        cache.write(f"{k}", b"code")
        if cache.read("0") is not None:
            os.utime(folder / "0", (2**32, 2**32))  # as if it had been used last
    kept = set(os.listdir(folder))
    assert {"0", "8"} <= kept
    assert len(kept) <= 4
    assert cache.read("0") == b"code"


def test_where_files_are_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "numba"))
    assert cache.folder() == tmp_path / "numba" / "fastgd"
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    assert cache.folder() == tmp_path / "xdg" / "fastgd"
