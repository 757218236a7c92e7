import logging
import os

import pytest
import torch

from xairank.attribution import silu
from xairank.attribution.silu import compiled_kernel


@pytest.fixture
def forgetful():
    """Compiles anew, and leaves nothing of it to other tests."""
    compiled_kernel.cache_clear()
    yield
    compiled_kernel.cache_clear()


needs_compiler = pytest.mark.skipif(compiled_kernel() is None, reason="no C compiler that builds silu.c")


@needs_compiler
@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("n", [1, 7, 16_384, 100_003])  # in part of a vector, in one thread, in all of them
def test_kernel_is_silu_and_its_derivative(n, in_place):
    inputs = torch.linspace(-120, 120, n)
    sigmoid = 1 / (1 + torch.exp(-inputs.double()))
    expected = inputs * sigmoid, sigmoid * (1 + inputs * (1 - sigmoid))
    value, derivative = torch.empty(n), inputs if in_place else torch.empty(n)
    compiled_kernel()(inputs, value, derivative)
    torch.testing.assert_close(value.double(), expected[0], rtol=5e-7, atol=1e-30)
    torch.testing.assert_close(derivative.double(), expected[1], rtol=1e-6, atol=1e-6)


@needs_compiler
def test_what_is_no_number_stays_none():
    value, derivative = torch.zeros(2, 8)
    compiled_kernel()(torch.full((8,), torch.nan), value, derivative)
    assert value.isnan().all()


@pytest.mark.parametrize("compiler", ["no-such-compiler", "false"])
def test_without_a_compiler_there_is_no_kernel(monkeypatch, caplog, forgetful, compiler):
    monkeypatch.setenv("CC", compiler)
    with caplog.at_level(logging.INFO):
        assert compiled_kernel() is None
    assert "silu.c cannot be compiled" in caplog.text


@needs_compiler
def test_a_kernel_that_computes_something_else_is_dropped_with_a_warning(monkeypatch, caplog, forgetful, tmp_path):
    wrong = silu.SOURCE.read_text().replace("1.0f - sigmoid", "1.0f + sigmoid")
    (tmp_path / "silu.c").write_text(wrong)
    monkeypatch.setattr(silu, "SOURCE", tmp_path / "silu.c")
    assert compiled_kernel() is None
    assert "differs from it by" in caplog.text


@needs_compiler
def test_compiling_leaves_no_file(monkeypatch, forgetful, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert compiled_kernel()
    assert os.listdir(tmp_path) == []
