"""The names of activation functions, whether a layer, a function or a method of a tensor computes them."""

ACTIVATIONS = frozenset(
    [
        "celu",
        "elu",
        "gelu",
        "hardswish",
        "hardtanh",
        "leakyrelu",
        "mish",
        "prelu",
        "relu",
        "relu6",
        "rrelu",
        "selu",
        "silu",
        "softplus",
        "threshold",
    ]
)
GATES = frozenset(("hardsigmoid", "sigmoid", "softmax"))


def operation(name: str) -> str:
    """What a layer's class, a function or a method computes, by its name.

    Example:
        >>> operation("LeakyReLU"), operation("leaky_relu"), operation("leaky_relu_")
        ('leakyrelu', 'leakyrelu', 'leakyrelu')
    """
    return name.replace("_", "").lower()
