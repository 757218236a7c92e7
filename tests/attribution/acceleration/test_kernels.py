import logging
import os

import pytest
import torch

from xairank.attribution.acceleration import kernels
from xairank.attribution.acceleration.kernels import compiled_kernels, kernels_in_use


@pytest.fixture
def forgetful():
    """Compiles again, and leaves nothing of it to other tests."""
    compiled_kernels.cache_clear()
    yield
    compiled_kernels.cache_clear()


needs_compiler = pytest.mark.skipif(compiled_kernels() is None, reason="no C compiler that builds kernels.c")
SHAPES = [(1, 1, 1, 1), (2, 3, 14, 14), (1, 40, 29, 31), (3, 8, 28, 28)]  # in part of a vector, in several chunks


def numbers(seed, *shape):
    values = torch.randn(*shape, generator=torch.Generator().manual_seed(seed))
    return values.contiguous(memory_format=torch.channels_last) if len(shape) == 4 else values


@needs_compiler
@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("n", [1, 7, 16_384, 100_003])  # in part of a vector, in one thread, in all of them
def test_silu_and_its_derivative(n, in_place):
    inputs = torch.linspace(-120, 120, n)
    sigmoid = 1 / (1 + torch.exp(-inputs.double()))
    expected = inputs * sigmoid, sigmoid * (1 + inputs * (1 - sigmoid))
    derivative = inputs if in_place else torch.empty(n)
    value = compiled_kernels().silu(inputs, derivative)
    torch.testing.assert_close(value.double(), expected[0], rtol=5e-7, atol=1e-30)
    torch.testing.assert_close(derivative.double(), expected[1], rtol=1e-6, atol=1e-6)


@needs_compiler
@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
@pytest.mark.parametrize("place", range(0, 40, 3))  # within a vector and in what is left of it
def test_what_is_not_finite_stays_so(bad, place):
    inputs = numbers(0, 1, 40, 3, 3)
    inputs[0, place, 1, 1] = bad
    derivative = inputs.clone()
    value = compiled_kernels().silu(inputs, derivative)
    others = torch.ones_like(value, dtype=torch.bool)
    others[0, place, 1, 1] = False
    assert not value[0, place, 1, 1].isfinite()
    assert value[others].isfinite().all()
    ones, scale = torch.ones_like(inputs), torch.ones(1, 40)
    assert compiled_kernels().sum_of_products(inputs, ones).isfinite().logical_not().nonzero().tolist() == [[0, place]]
    chained = compiled_kernels().chain(inputs, scale, scale, ones, torch.empty_like(ones))
    assert chained.isfinite().logical_not().nonzero().tolist() == [[0, place, 1, 1]]


@needs_compiler
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("value[i] = product;", "value[i] = product == product ? product : 0.0f;"),
        (
            "derivative[i] = sigmoid + product * (1.0f - sigmoid);",
            "derivative[i] = product - product == 0 ? sigmoid + product * (1.0f - sigmoid) : sigmoid;",
        ),
        ("float input = x[i];", "float input = x[i] > -87.0f || x[i] != x[i] ? x[i] : -87.0f;"),
    ],
    ids=["the value of NaN", "the derivative", "the value of minus infinity"],
)
def test_a_compiler_that_takes_all_numbers_for_finite_is_refused(
    monkeypatch, caplog, forgetful, tmp_path, right, wrong
):
    source = kernels.SOURCE.read_text()
    assert right in source
    (tmp_path / "kernels.c").write_text(source.replace(right, wrong))
    monkeypatch.setattr(kernels, "SOURCE", tmp_path / "kernels.c")
    with caplog.at_level(logging.WARNING):
        assert compiled_kernels() is None
    assert "turns NaN or infinity into numbers" in caplog.text


@needs_compiler
def test_they_serve_on_the_cpu_alone():
    assert kernels_in_use(torch.device("cpu"))
    assert not kernels_in_use(torch.device("cuda"))


@needs_compiler
@pytest.mark.parametrize("shape", SHAPES)
def test_sum_of_products(shape):
    first, second = numbers(0, *shape), numbers(1, *shape)
    expected = torch.einsum("bcyx,bcyx->bc", first.double(), second.double())
    found = compiled_kernels().sum_of_products(first, second)
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-5 * shape[2] * shape[3])


@needs_compiler
@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_chain(shape, in_place):
    gradient, derivative = numbers(0, *shape), numbers(1, *shape)
    scale, shift = numbers(2, *shape[:2]), numbers(3, *shape[:2])
    expected = (gradient * scale[..., None, None] + shift[..., None, None]) * derivative
    result = derivative if in_place else torch.empty_like(derivative)
    assert compiled_kernels().chain(gradient, scale, shift, derivative, result) is result
    torch.testing.assert_close(result, expected)


@needs_compiler
def test_sums_are_the_same_for_any_number_of_threads():
    first, second = numbers(0, 2, 40, 56, 56), numbers(1, 2, 40, 56, 56)
    threads, sums = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            sums.append(compiled_kernels().sum_of_products(first, second))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(sums[0], sums[1])
    assert torch.equal(sums[0], sums[2])


@pytest.mark.parametrize("compiler", ["no-such-compiler", "false"])
def test_without_a_compiler_there_are_none(monkeypatch, caplog, forgetful, compiler):
    monkeypatch.setenv("CC", compiler)
    with caplog.at_level(logging.INFO):
        assert compiled_kernels() is None
    assert "kernels.c cannot be compiled" in caplog.text


@needs_compiler
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("1.0f - sigmoid", "1.0f + sigmoid"),
        ("value[i] = product", "value[i] = sigmoid"),
        ("sum[channel] +=", "sum[channel] ="),
        ("] + shift[", "] - shift["),
    ],
)
def test_kernels_that_compute_something_else_are_dropped_with_a_warning(
    monkeypatch, caplog, forgetful, tmp_path, right, wrong
):
    source = kernels.SOURCE.read_text()
    assert right in source
    (tmp_path / "kernels.c").write_text(source.replace(right, wrong))
    monkeypatch.setattr(kernels, "SOURCE", tmp_path / "kernels.c")
    assert compiled_kernels() is None
    assert "differs from them by" in caplog.text


@needs_compiler
def test_compiling_leaves_no_file(monkeypatch, forgetful, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert compiled_kernels()
    assert os.listdir(tmp_path) == []
