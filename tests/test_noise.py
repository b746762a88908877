"""Noise on the gradient: the generator against NumPy's, its distribution, and keys from what users pass as rng."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fastgd._core.directions.noise import GaussianNoise as Core
from fastgd._inputs import as_key
from fastgd.noise import GaussianNoise

from . import reference

LARGEST = 2**63 - 1


def normals(seed, problem, iteration, n_dim):
    """Numbers of variance 1."""
    return Core(1.0, 0.0, as_key(seed)).sample(problem, iteration, n_dim)


@given(seed=st.integers(0, 2**128), problem=st.integers(0, LARGEST), iteration=st.integers(0, LARGEST),
       n_dim=st.integers(0, 13), scale=st.floats(1e-300, 1e300), decay=st.floats(0.0, 3.0))
def test_noise_is_that_of_numpys_philox(seed, problem, iteration, n_dim, scale, decay):
    """For every seed, problem, iteration and coordinate: the words of numpy.random.Philox at that counter."""
    noise = Core(scale, decay, as_key(seed)).sample(problem, iteration, n_dim)
    twin = reference.gradient_noise(seed, problem, iteration, n_dim, scale, decay)
    np.testing.assert_allclose(noise, twin, rtol=1e-14)


def test_many_coordinates_are_those_of_numpys_philox():
    """Block follows block, as far as the dimensions go."""
    np.testing.assert_allclose(normals(3, 5, 7, 100_001), reference.gradient_noise(3, 5, 7, 100_001, 1.0, 0.0),
                               rtol=1e-14)


def test_coordinate_does_not_depend_on_how_many_follow():
    longest = normals(0, 1, 2, 40)
    for n_dim in range(40):
        assert normals(0, 1, 2, n_dim).tobytes() == longest[:n_dim].tobytes()


def test_numbers_are_not_those_of_a_philox_with_the_same_seed():
    """Whoever drew data or starting points from Philox(seed) does not meet the same words in the noise."""
    words = np.random.Philox(8).random_raw(4000)
    own = np.random.Philox(key=as_key(8), counter=(1 << 192) - 1).random_raw(4)  # of problem 0, iteration 0
    assert not np.isin(own, words).any()
    angles = np.arctan2(normals(8, 0, 0, 4)[1::2], normals(8, 0, 0, 4)[::2]) % (2 * np.pi)
    np.testing.assert_allclose(angles, 2 * np.pi * (own[1::2] / 2.0**64), rtol=1e-12)


@pytest.fixture(scope="module")
def cube():
    """Normals by (problem, iteration, coordinate)."""
    noise = Core(1.0, 0.0, as_key(20))
    return np.array([[noise.sample(problem, iteration, 40) for iteration in range(40)] for problem in range(40)])


@pytest.mark.parametrize("axis", [0, 1, 2], ids=["problem", "iteration", "coordinate"])
def test_noise_is_normal_along_every_axis(cube, axis):
    """64,000 numbers follow the normal distribution, and so do the 40 along one axis, wherever that is."""
    assert stats.kstest(cube.ravel(), "norm").pvalue > 0.01
    along = np.moveaxis(cube, axis, -1).reshape(-1, 40)
    mean, variance = along.mean(axis=1) * np.sqrt(40), along.var(axis=1, ddof=1) * 39
    assert stats.kstest(mean, "norm").pvalue > 0.01
    assert stats.kstest(variance, stats.chi2(39).cdf).pvalue > 0.01


@pytest.mark.parametrize("axis", [0, 1, 2], ids=["problem", "iteration", "coordinate"])
@pytest.mark.parametrize("shift", [1, 2, 3, 4])
@pytest.mark.parametrize("moment", [1, 2])
def test_neighbours_are_not_correlated(cube, axis, shift, moment):
    """Neither the numbers nor their squares: the two of a pair share their radius."""
    moved = np.moveaxis(cube, axis, 0) ** moment
    first, second = moved[:-shift].ravel(), moved[shift:].ravel()
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / np.sqrt(len(first))


def test_seeds_give_uncorrelated_noise():
    samples = [normals(seed, 0, 0, 20_000) for seed in range(6)]
    correlations = np.corrcoef(samples)[np.triu_indices(6, 1)]
    assert np.abs(correlations).max() < 4 / np.sqrt(20_000)


@pytest.mark.parametrize("scale", [0.01, 1.0, 30.0])
@pytest.mark.parametrize("decay", [0.0, 0.55, 2.0])
@pytest.mark.parametrize("iteration", [0, 1, 9, 1000])
def test_variance_fades(scale, decay, iteration):
    """scale / (1 + k)^decay, of mean 0, within four standard errors."""
    n = 20_000
    noise = Core(scale, decay, as_key(1)).sample(0, iteration, n)
    variance = scale / (1 + iteration) ** decay
    assert abs(noise.mean()) < 4 * np.sqrt(variance / n)
    assert abs(noise.var() / variance - 1) < 4 * np.sqrt(2 / n)


def test_noise_that_fades_at_once_is_none():
    assert Core(1.0, 1e300, as_key(1)).sample(0, 1, 4).tolist() == [0.0] * 4


@given(seed=st.integers(0, 2**200))
def test_key_of_a_seed_is_that_of_philox(seed):
    key = as_key(seed)
    assert (key.dtype, key.shape) == (np.uint64, (2,))
    assert key.tolist() == np.random.Philox(seed).state["state"]["key"].tolist()


@pytest.mark.parametrize("seed", [np.uint8(200), np.int64(200), np.random.SeedSequence(200)], ids=repr)
def test_seeds_of_other_types(seed):
    for _ in range(2):  # a seed is not used up
        assert as_key(seed).tolist() == as_key(200).tolist()


@pytest.mark.parametrize("kind", [np.random.PCG64, np.random.Philox, np.random.MT19937, np.random.SFC64])
def test_generators_advance(kind):
    """Each key of a generator is another one, in an order that its seed fixes; a bit generator is as its Generator."""
    rng, bits = np.random.Generator(kind(6)), kind(6)
    keys = [as_key(rng).tolist() for _ in range(3)]
    assert keys == [as_key(bits).tolist() for _ in range(3)]
    assert len({word for key in keys for word in key}) == 6
    assert max(word for key in keys for word in key) > 2**62  # all 64 bits, also of a generator of 32
    assert rng.random() == np.random.Generator(bits).random()


def test_no_seed_is_another_one_each_time():
    assert as_key(None).tolist() != as_key(None).tolist()


@pytest.mark.parametrize("rng", [1.0, "7", True, [1, 2], np.random.RandomState(0), np.random], ids=repr)
def test_what_is_no_seed(rng):
    with pytest.raises(TypeError, match=f"rng must be None, an integer, .*got {type(rng).__name__}$"):
        as_key(rng)


@pytest.mark.parametrize("rng", [-1, np.int64(-1)])
def test_negative_seed(rng):
    with pytest.raises(ValueError, match="rng must not be negative, got -1"):
        as_key(rng)


def test_what_the_user_sets():
    assert GaussianNoise() == GaussianNoise(scale=0.01, decay=0.55)
    assert [type(value) for value in vars(GaussianNoise(1, np.float32(0))).values()] == [float, float]
    with pytest.raises(FrozenInstanceError):
        GaussianNoise().scale = 1.0


@pytest.mark.parametrize(("options", "error"), [
    *(({"scale": scale}, "0 < scale < inf") for scale in (0.0, -1.0, np.nan, np.inf)),
    *(({"decay": decay}, "0 <= decay < inf") for decay in (-0.1, np.nan, np.inf)),
])
def test_out_of_range(options, error):
    with pytest.raises(ValueError, match=error):
        GaussianNoise(**options)


@pytest.mark.parametrize("name", ["scale", "decay"])
@pytest.mark.parametrize("value", [None, "0.1", True, 1j, np.ones(1)], ids=repr)
def test_not_a_number(name, value):
    with pytest.raises(TypeError, match=f"{name} must be a number, got"):
        GaussianNoise(**{name: value})
