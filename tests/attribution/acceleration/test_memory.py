import subprocess
import sys

import pytest

# Allocates and frees 64 MB in pieces, 20 times, and counts how many pages the system had to clear for it.
PROBE = """
import ctypes, resource
from contextlib import nullcontext
from xairank.attribution.acceleration.memory import freed_memory_kept
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
def work():
    pieces = [libc.malloc(1 << 22) for _ in range(16)]
    for piece in pieces:
        ctypes.memset(piece, 1, 1 << 22)
    for piece in pieces:
        libc.free(piece)
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 2**20
"""


def run(code: str) -> list[float]:
    done = subprocess.run([sys.executable, "-c", PROBE + code], capture_output=True, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's heap")
def test_freed_memory_is_used_again_and_given_back_at_the_end():
    code = """
before = resident()
with freed_memory_kept():
    with freed_memory_kept():
        work()
    first = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        work()
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - first
    inside = resident()
print(faults, inside - before, resident() - before)
"""
    faults, inside, after = run(code)
    assert faults < 1000  # of 20 x 16,384 pages
    assert inside > 60
    assert after < 10


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's heap")
def test_afterwards_tensors_do_not_come_from_the_system_one_by_one():
    code = """
with freed_memory_kept():
    pass
first = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    piece = libc.malloc(1 << 21)
    ctypes.memset(piece, 1, 1 << 21)
    libc.free(piece)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - first)
"""
    (faults,) = run(code)
    assert faults < 5000  # of 50 x 512 pages
