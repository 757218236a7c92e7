import logging
import os

import pytest
import torch

from xairank.attribution.acceleration import kernels
from xairank.attribution.acceleration.kernels import compiled_kernels


@pytest.fixture
def forgetful():
    """Compiles anew, and leaves nothing of it to other tests."""
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
def test_what_is_no_number_stays_none():
    assert compiled_kernels().silu(torch.full((8,), torch.nan), torch.zeros(8)).isnan().all()


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
