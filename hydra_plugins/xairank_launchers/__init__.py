"""Launchers of Hydra for sweeps on Slurm and Ray; ``conf/hydra/launcher`` has their options."""
