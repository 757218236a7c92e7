"""The audit of the paper's conclusion: a declared grid of sweeps, their results, and the document made from them."""
