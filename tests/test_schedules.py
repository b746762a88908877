"""Learning-rate schedules: closed forms, the definitions of torch and Keras, and properties of every one of them."""

import copy
import math
import pickle
from dataclasses import FrozenInstanceError, fields, replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fastgd import schedules
from fastgd.schedules import (
    Constant,
    CosineDecay,
    CosineRestarts,
    Cyclical,
    ExponentialDecay,
    InverseTimeDecay,
    PolynomialDecay,
    Schedule,
    StepDecay,
    Table,
    Warmup,
)

ROUNDING = 4 * np.finfo(float).eps

ONE_OF_EACH = [
    Constant(0.1),
    StepDecay(0.1, 7, 0.3),
    ExponentialDecay(0.1, 0.97, 3),
    InverseTimeDecay(0.1, 0.7, 3, 0.6),
    PolynomialDecay(0.1, 50, 0.003, 1.7),
    CosineDecay(0.1, 50, 0.003),
    CosineRestarts(0.1, 7, 2, 0.003),
    CosineRestarts(0.1, 7),
    Cyclical(0.1, 0.7, 5, 3),
    Cyclical(0.1, 0.7, 5, 3, "triangular2"),
    Cyclical(0.1, 0.7, 5, 3, "exp_range", 0.97),
    Warmup(5, CosineDecay(0.1, 50)),
    Table([0.3, 0.1, 0.2]),
]
EACH = pytest.mark.parametrize("schedule", ONE_OF_EACH, ids=repr)

rates = st.floats(1e-12, 1e12)
factors = st.floats(1e-3, 1.0, exclude_max=True)
counts = st.integers(1, 200) | st.integers(1, 2**53)
powers = st.floats(0.01, 10.0)
iterations = st.lists(st.integers(0, 1000) | st.integers(0, 2**63 - 1), max_size=40)


@st.composite
def decays(draw):
    """Schedules that never rise."""
    rate, steps, final = draw(rates), draw(counts), draw(st.floats(0.0, 0.99))
    return draw(st.sampled_from([
        Constant(rate),
        StepDecay(rate, steps, draw(factors)),
        ExponentialDecay(rate, draw(factors), steps),
        InverseTimeDecay(rate, draw(rates), steps, draw(powers)),
        PolynomialDecay(rate, steps, final * rate, draw(powers)),
        CosineDecay(rate, steps, final * rate),
    ]))


@st.composite
def any_schedules(draw):
    rate, steps, final = draw(rates), draw(counts), draw(st.floats(0.0, 0.99))
    mode = draw(st.sampled_from(["triangular", "triangular2", "exp_range"]))
    plain = draw(decays() | st.sampled_from([
        CosineRestarts(rate, steps, draw(st.integers(1, 4)), final * rate),
        Cyclical(rate, 2 * rate, steps, draw(counts), mode, draw(factors) if mode == "exp_range" else None),
    ]) | st.lists(rates, min_size=1, max_size=20).map(Table))
    return draw(st.sampled_from([plain, Warmup(draw(counts), plain), Warmup(steps, rate, draw(factors))]))


# Closed forms

K = np.arange(120)


@pytest.mark.parametrize(("schedule", "formula"), [
    (Constant(0.1), lambda k: 0.1),
    (StepDecay(0.1, 7, 0.3), lambda k: 0.1 * 0.3**math.floor(k / 7)),
    (ExponentialDecay(0.1, 0.97, 3), lambda k: 0.1 * math.exp(math.log(0.97) * k / 3)),
    (InverseTimeDecay(0.1, 0.7, 3), lambda k: 0.1 / (1 + 0.7 * k / 3)),
    (InverseTimeDecay(0.1, 1.0, power=0.5), lambda k: 0.1 / math.sqrt(1 + k)),
    (PolynomialDecay(0.1, 50), lambda k: 0.1 * max(0, 50 - k) / 50),
    (PolynomialDecay(0.1, 50, 0.02, 2.0), lambda k: 0.02 + 0.08 * (1 - min(k, 50) / 50)**2),
    (CosineDecay(0.1, 50, 0.02), lambda k: 0.02 + 0.08 * math.cos(math.pi / 2 * min(k, 50) / 50)**2),
    (CosineRestarts(0.1, 40), lambda k: 0.1 * math.cos(math.pi / 2 * (k % 40) / 40)**2),
    (Cyclical(0.1, 0.5, 4), lambda k: 0.1 + 0.4 * (1 - abs(k % 8 - 4) / 4)),
    (Cyclical(0.1, 0.5, 4, mode="triangular2"), lambda k: 0.1 + 0.4 * (1 - abs(k % 8 - 4) / 4) / 2**(k // 8)),
    (Cyclical(0.1, 0.5, 4, mode="exp_range", factor=0.9), lambda k: 0.1 + 0.4 * (1 - abs(k % 8 - 4) / 4) * 0.9**k),
    (Cyclical(1.0, 4.0, 3, 1), lambda k: [1.0, 2.0, 3.0, 4.0][k % 4]),
    (Warmup(9, 0.5), lambda k: 0.5 * min(k + 1, 10) / 10),
    (Warmup(10, 0.5, 0.2), lambda k: 0.1 + 0.4 * min(k, 10) / 10),
    (Warmup(3, StepDecay(0.8, 5, 0.5)), lambda k: 0.2 * (k + 1) if k < 3 else 0.8 * 0.5**((k - 3) // 5)),
    (Table([0.3, 0.1, 0.2]), lambda k: [0.3, 0.1, 0.2][min(k, 2)]),
], ids=repr)
def test_closed_form(schedule, formula):
    np.testing.assert_allclose(schedule(K), [formula(k) for k in K.tolist()], rtol=1e-12, atol=1e-17)


def test_defaults():
    """Those of torch, where it has any."""
    assert StepDecay(0.1, 5) == StepDecay(0.1, 5, 0.1)
    assert ExponentialDecay(0.1, 0.9) == ExponentialDecay(0.1, 0.9, 1)
    assert InverseTimeDecay(0.1, 0.9) == InverseTimeDecay(0.1, 0.9, 1, 1.0)
    assert PolynomialDecay(0.1, 5) == PolynomialDecay(0.1, 5, 0.0, 1.0)
    assert CosineDecay(0.1, 5) == CosineDecay(0.1, 5, 0.0)
    assert CosineRestarts(0.1, 5) == CosineRestarts(0.1, 5, 1, 0.0)
    assert Cyclical(0.1, 0.5, 5) == Cyclical(0.1, 0.5, 5, 5, "triangular")
    assert Warmup(3, 0.5) == Warmup(3, Constant(0.5), 0.25)


def test_restarts_where_the_paper_has_them():
    """Cycles of 10, 20 and 40 iterations restart at 10 and 30 (Loshchilov and Hutter 2017, section 3)."""
    schedule = CosineRestarts(0.05, 10, 2, 0.001)
    at_the_top = np.flatnonzero(schedule(np.arange(71)) == 0.05)
    assert at_the_top.tolist() == [0, 10, 30, 70]


@pytest.mark.parametrize("multiplier", [2, 3, 10])
def test_restarts_late_in_a_run_are_not_misplaced(multiplier):
    """The starts of cycles are exact integers up to the last iteration there is, beyond the integers of float64."""
    schedule = CosineRestarts(1.0, 7, multiplier, 0.25)
    start, length = 0, 7
    while start < 2**63:
        assert schedule(start) == 1.0
        assert start < 8 or schedule(start - 1) < 1.0
        start, length = start + length, length * multiplier
    assert 0.25 <= schedule(2**63 - 1) <= 1.0


# torch and Keras

def torch_rates(rate, make, n=100):
    """The rates of a torch schedule, step by step."""
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=rate)
    scheduler = make(torch.optim.lr_scheduler, optimizer)
    seen = []
    for _ in range(n):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return seen


@pytest.mark.parametrize(("schedule", "make"), [
    (StepDecay(0.1, 7), lambda lr, opt: lr.StepLR(opt, 7)),
    (StepDecay(0.1, 7, 0.5), lambda lr, opt: lr.StepLR(opt, 7, gamma=0.5)),
    (ExponentialDecay(0.1, 0.9), lambda lr, opt: lr.ExponentialLR(opt, 0.9)),
    (PolynomialDecay(0.1, 60), lambda lr, opt: lr.PolynomialLR(opt, 60)),
    (PolynomialDecay(0.1, 60, power=1.7), lambda lr, opt: lr.PolynomialLR(opt, 60, power=1.7)),
    (CosineDecay(0.1, 100, 0.002), lambda lr, opt: lr.CosineAnnealingLR(opt, 100, eta_min=0.002)),
    (CosineRestarts(0.1, 12), lambda lr, opt: lr.CosineAnnealingWarmRestarts(opt, 12)),
    (CosineRestarts(0.1, 5, 2, 0.002), lambda lr, opt: lr.CosineAnnealingWarmRestarts(opt, 5, 2, 0.002)),
    (CosineRestarts(0.1, 5, 3, 0.002), lambda lr, opt: lr.CosineAnnealingWarmRestarts(opt, 5, 3, 0.002)),
    (Cyclical(0.1, 0.5, 5), lambda lr, opt: lr.CyclicLR(opt, 0.1, 0.5, 5, cycle_momentum=False)),
    (Cyclical(0.1, 0.5, 5, 8), lambda lr, opt: lr.CyclicLR(opt, 0.1, 0.5, 5, 8, cycle_momentum=False)),
    (Cyclical(0.1, 0.5, 5, 8, "triangular2"),
     lambda lr, opt: lr.CyclicLR(opt, 0.1, 0.5, 5, 8, mode="triangular2", cycle_momentum=False)),
    (Cyclical(0.1, 0.5, 5, 8, "exp_range", 0.95),
     lambda lr, opt: lr.CyclicLR(opt, 0.1, 0.5, 5, 8, mode="exp_range", gamma=0.95, cycle_momentum=False)),
    (Warmup(20, 0.1, 0.25), lambda lr, opt: lr.LinearLR(opt, 0.25, total_iters=20)),
    (Warmup(20, StepDecay(0.1, 7, 0.5), 0.25),
     lambda lr, opt: lr.SequentialLR(opt, [lr.LinearLR(opt, 0.25, total_iters=20), lr.StepLR(opt, 7, gamma=0.5)],
                                     milestones=[20])),
], ids=lambda value: repr(value) if isinstance(value, Schedule) else "torch")
def test_same_as_torch(schedule, make):
    """torch gets from rate to rate by ratios, so the last digits differ."""
    expected = torch_rates(0.1, make)
    np.testing.assert_allclose(schedule(np.arange(len(expected))), expected, rtol=1e-10, atol=1e-15)


def keras_cosine_decay_restarts(k, initial, first, t_mul, alpha):
    """Keras' definition: the number of the cycle from a logarithm."""
    completed = k / first
    if t_mul == 1.0:
        completed -= math.floor(completed)
    else:
        restart = math.floor(math.log(1.0 - completed * (1.0 - t_mul)) / math.log(t_mul))
        completed = (completed - (1.0 - t_mul**restart) / (1.0 - t_mul)) / t_mul**restart
    return initial * ((1 - alpha) * 0.5 * (1.0 + math.cos(math.pi * completed)) + alpha)


@pytest.mark.parametrize(("schedule", "keras"), [
    (StepDecay(0.1, 7, 0.5), lambda k: 0.1 * 0.5**math.floor(k / 7)),
    (ExponentialDecay(0.1, 0.9, 7), lambda k: 0.1 * 0.9**(k / 7)),
    (InverseTimeDecay(0.1, 0.5, 7), lambda k: 0.1 / (1 + 0.5 * k / 7)),
    (PolynomialDecay(0.1, 60, 0.01, 0.5), lambda k: (0.1 - 0.01) * (1 - min(k, 60) / 60)**0.5 + 0.01),
    (CosineDecay(0.1, 60, 0.01),
     lambda k: 0.1 * ((1 - 0.1) * 0.5 * (1 + math.cos(math.pi * min(k, 60) / 60)) + 0.1)),
    (CosineRestarts(0.1, 6, 2, 0.01), lambda k: keras_cosine_decay_restarts(k, 0.1, 6, 2.0, 0.1)),
    (CosineRestarts(0.1, 6, 1, 0.01), lambda k: keras_cosine_decay_restarts(k, 0.1, 6, 1.0, 0.1)),
], ids=lambda value: repr(value) if isinstance(value, Schedule) else "keras")
def test_same_as_keras(schedule, keras):
    np.testing.assert_allclose(schedule(K), [keras(k) for k in K.tolist()], rtol=1e-11)


# What holds for every schedule

@given(any_schedules(), iterations)
def test_array_equals_singles(schedule, ks):
    """Bit for bit, in whatever company, order, shape, stride and integer type."""
    together = schedule(np.array(ks, dtype=np.int64))
    assert together.dtype == np.float64
    singles = [schedule(k) for k in ks]
    assert together.tobytes() == np.array(singles, dtype=np.float64).tobytes()
    assert all(type(rate) is float for rate in singles)
    strided = np.repeat(np.array(ks, dtype=np.uint64)[:, None], 3, axis=1)[::-1, 1:]
    assert schedule(strided).tobytes() == np.repeat(np.array(singles[::-1])[:, None], 2, axis=1).tobytes()


@given(any_schedules(), iterations)
def test_finite_and_not_negative(schedule, ks):
    with np.errstate(all="raise"):
        values = schedule(np.array(ks, dtype=np.int64))
    assert np.isfinite(values).all()
    assert (values >= 0.0).all()
    assert schedule(0) > 0.0


@EACH
def test_blocks_of_a_table(schedule):
    """A table made in stretches of any length is the table made at once."""
    whole = schedule(np.arange(300))
    for length in (1, 2, 7, 8, 64, 299):
        parts = [schedule(np.arange(at, min(at + length, 300))) for at in range(0, 300, length)]
        assert np.concatenate(parts).tobytes() == whole.tobytes()


@EACH
def test_kinds_of_iterations(schedule):
    assert type(schedule(3)) is type(schedule(np.int32(3))) is type(schedule(np.array(3))) is float
    assert schedule(np.uint8(200)) == schedule(200)
    assert schedule([3, 4]).tolist() == schedule((3, 4)).tolist() == [schedule(3), schedule(4)]
    assert schedule(np.arange(0)).shape == (0,)
    assert schedule(np.arange(6).reshape(2, 3)).shape == (2, 3)
    k = np.arange(5)
    schedule(k)[:] = 7.0
    assert schedule(k)[0] == schedule(0) != 7.0
    assert k.tolist() == [0, 1, 2, 3, 4]


@given(decays(), iterations)
def test_decays_never_rise(schedule, ks):
    """But for rounding: powers and cosines are not monotone in their last bits."""
    values = schedule(np.sort(np.array([0, *ks], dtype=np.int64)))
    assert (values[1:] <= values[:-1] * (1 + ROUNDING)).all()
    assert values[0] == schedule.learning_rate


@given(rates, counts, st.floats(0.0, 0.99), powers, st.integers(0, 2**62))
def test_what_is_reached_is_kept(rate, steps, final, power, later):
    """From iteration `steps` on the rate is the final one, exactly."""
    for schedule in (PolynomialDecay(rate, steps, final * rate, power), CosineDecay(rate, steps, final * rate)):
        assert schedule(0) == rate
        assert schedule(steps) == schedule(steps + later) == final * rate


@given(rates, st.integers(1, 50), st.integers(1, 4), st.floats(0.0, 0.99), st.integers(0, 5))
def test_cycles_of_restarts(rate, steps, multiplier, final, cycle):
    """Every cycle is a cosine decay of its own length, from the first rate down."""
    length = steps * multiplier**cycle
    start = sum(steps * multiplier**i for i in range(cycle))
    t = np.arange(length)
    expected = CosineDecay(rate, length, final * rate)(t)
    assert CosineRestarts(rate, steps, multiplier, final * rate)(start + t).tobytes() == expected.tobytes()


@given(rates, st.floats(1.01, 100.0), st.integers(1, 50), st.integers(1, 50), st.integers(0, 10**6))
def test_cycles_between_two_rates(rate, ratio, up, down, cycle):
    """Bottom and peak are exact; in between the rate rises and falls by equal steps."""
    schedule = Cyclical(rate, ratio * rate, up, down)
    start = cycle * (up + down)
    assert schedule(start) == rate
    assert schedule(start + up) == ratio * rate
    rises = np.diff(schedule(start + np.arange(up + down + 1)))
    height = (ratio - 1) * rate
    np.testing.assert_allclose(rises[:up], height / up, rtol=1e-9)
    np.testing.assert_allclose(rises[up:], -height / down, rtol=1e-9)


@given(st.integers(1, 1000), any_schedules(), factors, iterations)
def test_warmup_leads_to_the_other_schedule(steps, then, start_factor, ks):
    """Straight to its first rate; from there on it is that schedule, bit for bit."""
    warmup = Warmup(steps, then, start_factor)
    ks = np.array(ks, dtype=np.int64) // 2
    assert warmup(ks + steps).tobytes() == then(ks).tobytes()
    assert warmup(0) == start_factor * then(0)
    rises = np.diff(warmup(np.arange(steps + 1)))
    np.testing.assert_allclose(rises, (1 - start_factor) * then(0) / steps, rtol=1e-9, atol=ROUNDING * then(0))


@given(st.lists(rates | st.just(0.0), min_size=1, max_size=30), st.integers(0, 2**62))
def test_tail_of_a_table(values, later):
    assume(any(values))
    schedule = Table(values)
    assert schedule(np.arange(len(values))).tolist() == values
    assert schedule(len(values) + later) == values[-1]


@EACH
def test_table_of_any_schedule(schedule):
    table = Table(schedule(np.arange(40)))
    assert table(np.arange(40)).tobytes() == schedule(np.arange(40)).tobytes()


# Objects

@EACH
def test_values_that_can_be_compared_hashed_and_sent(schedule):
    """Schedules are values: equal when made alike, pickled and copied without loss, never changed."""
    assert isinstance(schedule, Schedule)
    assert schedule != 0.1
    assert sum(schedule == other for other in ONE_OF_EACH) == 1
    given = {field.name: getattr(schedule, field.name) for field in fields(schedule)}
    for twin in (type(schedule)(**given), replace(schedule), pickle.loads(pickle.dumps(schedule)),
                 copy.copy(schedule), copy.deepcopy(schedule)):
        assert twin == schedule
        assert hash(twin) == hash(schedule)
        assert repr(twin) == repr(schedule)
        assert twin(np.arange(50)).tobytes() == schedule(np.arange(50)).tobytes()
    with pytest.raises(FrozenInstanceError):
        setattr(schedule, fields(schedule)[0].name, 1.0)


def test_parameters_are_plain_numbers():
    schedule = CosineRestarts(np.float32(0.5), np.int8(5), np.uint64(2), 0)
    assert [type(getattr(schedule, field.name)) for field in fields(schedule)] == [float, int, int, float]
    assert schedule == CosineRestarts(0.5, 5, 2, 0.0)


def test_rates_of_a_table_are_its_own():
    given = np.array([0.3, 0.1, 0.2], dtype=">f8")[::-1]
    table = Table(given)
    given[:] = 7.0
    assert table(np.arange(3)).tolist() == [0.2, 0.1, 0.3]
    for own in (table, pickle.loads(pickle.dumps(table)), copy.deepcopy(table), copy.copy(table)):
        with pytest.raises(ValueError, match="read-only"):
            own.rates[0] = 1.0


def test_tables_are_equal_by_content():
    assert Table([0, 1]) == Table(np.array([-0.0, 1.0]))
    assert hash(Table([0, 1])) == hash(Table(np.array([-0.0, 1.0])))
    assert Table([0.1, 0.2]) != Table([0.1, 0.2, 0.2])
    assert Table([0.1]) != Constant(0.1)
    assert len({Table([0.1]), Table([0.1]), Table([0.2])}) == 2


def test_every_public_class_is_tested_here():
    public = {getattr(schedules, name) for name in schedules.__all__}
    assert public == {type(schedule) for schedule in ONE_OF_EACH} | {Schedule}


def test_schedule_is_not_made_by_itself():
    with pytest.raises(TypeError, match="abstract"):
        Schedule()


# Faults

NUMBERS = {"learning_rate": 0.1, "peak_rate": 0.7, "final_rate": 0.01, "factor": 0.5, "decay": 0.5, "power": 2.0,
           "start_factor": 0.5}
COUNTS = {"steps": 5, "multiplier": 2, "steps_up": 5, "steps_down": 3}
FIELDS_OF_EACH = sorted({(type(schedule), field.name) for schedule in ONE_OF_EACH for field in fields(schedule)},
                        key=repr)


def made_with(cls, name, value):
    """One of the class, with this parameter."""
    other = {field.name: {**NUMBERS, **COUNTS}[field.name] for field in fields(cls) if field.name in NUMBERS | COUNTS}
    if cls is Cyclical:
        other["mode"] = "exp_range"
    if cls is Warmup:
        other["then"] = 0.1
    return cls(**{**other, name: value})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -1.0], ids=str)
@pytest.mark.parametrize(("cls", "name"), [pair for pair in FIELDS_OF_EACH if pair[1] in NUMBERS])
def test_numbers_out_of_range(cls, name, value):
    with pytest.raises(ValueError, match=rf"{name} must satisfy .* got {name} = {value}"):
        made_with(cls, name, value)


@pytest.mark.parametrize(("name", "value", "allowed"), [
    ("learning_rate", 0.0, "0 < learning_rate < inf"),
    ("peak_rate", 0.1, "0.1 < peak_rate < inf"),
    ("final_rate", 0.1, "0 <= final_rate < 0.1"),
    ("factor", 0.0, "0 < factor < 1"),
    ("factor", 1.0, "0 < factor < 1"),
    ("decay", 0, "0 < decay < inf"),
    ("power", 0, "0 < power < inf"),
    ("start_factor", 0.0, "0 < start_factor < 1"),
    ("start_factor", 1, "0 < start_factor < 1"),
])
def test_ends_of_ranges(name, value, allowed):
    for cls in {cls for cls, field in FIELDS_OF_EACH if field == name}:
        with pytest.raises(ValueError, match=f"must satisfy {allowed}, got {name} = {float(value)}"):
            made_with(cls, name, value)


@pytest.mark.parametrize("value", ["0.1", True, 0.1j, [0.1], np.array([0.1, 0.2])], ids=repr)
@pytest.mark.parametrize(("cls", "name"), [pair for pair in FIELDS_OF_EACH if pair[1] in NUMBERS])
def test_numbers_of_the_wrong_type(cls, name, value):
    with pytest.raises(TypeError, match=f"{name} must be a number, got {type(value).__name__}"):
        made_with(cls, name, value)


@pytest.mark.parametrize("value", [0, -1, 2**53 + 1, np.int64(0), 10**30], ids=repr)
@pytest.mark.parametrize(("cls", "name"), [pair for pair in FIELDS_OF_EACH if pair[1] in COUNTS])
def test_counts_out_of_range(cls, name, value):
    with pytest.raises(ValueError, match=rf"1 <= {name} <= 2\*\*53, got {name} = {value}"):
        made_with(cls, name, value)


@pytest.mark.parametrize("value", [1.0, 2.5, math.nan, "3", True, [3]], ids=repr)
@pytest.mark.parametrize(("cls", "name"), [pair for pair in FIELDS_OF_EACH if pair[1] in COUNTS])
def test_counts_of_the_wrong_type(cls, name, value):
    with pytest.raises(TypeError, match=f"{name} must be an integer, got"):
        made_with(cls, name, value)


@pytest.mark.parametrize(("cls", "name"), [pair for pair in FIELDS_OF_EACH if pair[1] in {**NUMBERS, **COUNTS}])
def test_what_has_no_default_is_not_none(cls, name):
    """None is the default of two parameters, and an error elsewhere."""
    if (cls, name) in ((Cyclical, "steps_down"), (Warmup, "start_factor")):
        assert made_with(cls, name, None)(0) > 0.0
    else:
        with pytest.raises((TypeError, ValueError), match=name):
            made_with(cls, name, None)


def test_modes_of_cycles():
    with pytest.raises(ValueError, match=r"mode must be one of .* did you mean 'exp_range'"):
        Cyclical(0.1, 0.7, 5, mode="exp-range")
    with pytest.raises(ValueError, match="factor goes with mode 'exp_range'"):
        Cyclical(0.1, 0.7, 5, factor=0.5)
    with pytest.raises(ValueError, match="factor goes with mode 'exp_range'"):
        Cyclical(0.1, 0.7, 5, mode="exp_range")


@pytest.mark.parametrize(("value", "error", "message"), [
    (lambda k: 0.1, TypeError, "then must be a schedule .* got function"),
    (Constant, TypeError, "then must be a schedule .* got ABCMeta"),
    ("auto", TypeError, "then must be a number, got str"),
    (None, TypeError, "then must be a number, got NoneType"),
    (0.0, ValueError, "0 < then < inf"),
    (math.nan, ValueError, "0 < then < inf"),
])
def test_what_a_warmup_leads_to(value, error, message):
    with pytest.raises(error, match=message):
        Warmup(5, value)


@pytest.mark.parametrize(("value", "error", "message"), [
    ([0.1, math.nan], ValueError, r"0 <= rates < inf, got rates\[1\] = nan"),
    ([0.1, 0.2, math.inf], ValueError, r"0 <= rates < inf, got rates\[2\] = inf"),
    ([-0.1], ValueError, r"got rates\[0\] = -0.1"),
    ([0.0, 0.0], ValueError, "must not all be 0"),
    ([], ValueError, r"shape \(n,\), with n at least 1, got \(0,\)"),
    (0.1, ValueError, r"got \(\)"),
    ([[0.1], [0.2]], ValueError, r"got \(2, 1\)"),
    (None, TypeError, "rates must be real numbers, got None"),
    (["0.1"], TypeError, "rates must be real numbers, got dtype <U3"),
    ([0.1j], TypeError, "got dtype complex128"),
    (np.ma.array([0.1, 0.2], mask=[0, 1]), TypeError, "masked"),
])
def test_faulty_tables(value, error, message):
    with pytest.raises(error, match=message):
        Table(value)


@pytest.mark.parametrize(("k", "error", "message"), [
    (1.0, TypeError, "k must be an integer or an array of integers, got dtype float64"),
    ([1.0, 2.0], TypeError, "got dtype float64"),
    (math.nan, TypeError, "got dtype float64"),
    (True, TypeError, "got dtype bool"),
    (None, TypeError, "got None"),
    ("3", TypeError, "got dtype <U1"),
    (2**70, TypeError, "got dtype object"),
    (np.ma.array([1, 2]), TypeError, "masked"),
    (-1, ValueError, "at least 0 and below 2[*][*]63, got -1 to -1"),
    ([5, -3, 7], ValueError, "got -3 to 7"),
    (2**63, ValueError, f"got {2**63} to {2**63}"),
])
@EACH
def test_faulty_iterations(schedule, k, error, message):
    with pytest.raises(error, match=message):
        schedule(k)
