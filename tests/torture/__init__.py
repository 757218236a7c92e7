"""Kills sweeps of training and of ranking at random moments, starts pairs of processes at once, and fills the disk.

``make torture``, or ``python -m tests.torture --kills 20 --pairs 4 --jobs 2``. Verifies after each attempt that nothing
that was finished is gone, and when a sweep has ended that its results are those of an undisturbed one, byte for byte,
and that nothing else lies in its folder. Writes a report; exit status 1 where anything was lost, changed or left over.

Starting Python and importing PyTorch costs more than such a sweep: this process imports everything once, and forks a
child for each attempt; ``--commands`` runs some as real command lines. Moments are counted in the child's processor
time, so that they do not depend on what else runs.
"""
