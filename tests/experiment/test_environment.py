import platform

import torch

from xairank.experiment.environment import describe_environment


def test_the_environment_names_all_that_rounding_depends_on():
    found = describe_environment(torch.device("cpu"))
    assert (found["device"], found["threads"]) == ("cpu", torch.get_num_threads())
    assert isinstance(found["kernels"], bool)
    assert found["versions"]["python"] == platform.python_version()
    assert found["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert len((found["git_revision"] or "0" * 40).removesuffix("-dirty")) == 40


def test_compiled_kernels_are_for_the_cpu_only():
    assert describe_environment(torch.device("cuda"))["kernels"] is False
