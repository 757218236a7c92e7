"""The grid: which data, which switches, which seeds and folds; a cell is one sweep of ``python -m xairank.train``."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from audit.methods import FURTHER, LRP, PAPER, RANDOMISED, STEPS, Method

FOLDS = (0, 1, 2, 3, 4)
SEEDS = (42, 43, 44, 45, 46)
PREFIX = "audit"  # of the names of the sweeps
WEIGHTS = "tf_efficientnetv2_b0.in1k.safetensors"


@dataclass(frozen=True)
class Data:
    """A data set: how it is read and trained on, and its size.

    Attributes:
        name: In cells and results.
        overrides: Of Hydra; ``{data}`` is the folder of all data.
        images: Number of images.
        defects: Number of defects among them, each explained in every run.
        epochs: Of training.
    """

    name: str
    overrides: tuple[str, ...]
    images: int
    defects: int
    epochs: int


HAZELNUT = Data(
    "hazelnut",
    ("data.root={data}/hazelnut_defects", "data.category=hazelnut", "data.batch_size=16"),
    images=40,
    defects=35,
    epochs=30,
)
TRANSISTOR = Data(
    "transistor", ("data.root={data}/mvtec", "data.category=transistor"), images=313, defects=40, epochs=12
)
TILES = Data(
    "tiles",
    (
        *("data=folder", "data.category=magnetic_tile", "data.crop=none", "data.mask_threshold=127"),
        *("data.images={data}/magnetic_tile/images", "data.masks={data}/magnetic_tile/masks"),
    ),
    images=627,
    defects=392,
    epochs=12,
)
# By another name than the real nuts: networks that were trained on them have seen none of those.
_RENDERED = ("data=synthetic", "data.category=hazelnut_rendered")
RENDERED = Data("rendered", _RENDERED, images=501, defects=70, epochs=12)
RENDERED_35 = Data(
    "rendered35",  # as many as the real hazelnuts at hand, trained on alike
    (
        *(*_RENDERED, "data.root=data/synthetic_35", "data.batch_size=16", "data.synthetic.good=5"),
        "data.synthetic.defects={{crack:8,cut:7,hole:11,print:9}}",
    ),
    images=40,
    defects=35,
    epochs=30,
)

PRETRAINED = ("model.encoder=tf_efficientnetv2_b0", "model.encoder_weights={weights}/" + WEIGHTS)
SCRATCH = ("model.encoder=resnet18", "model.pretrained=false")  # there are no weights of another encoder

# One thing each that the released code, or taste, does otherwise than the base; the most important first.
SWITCHES = {
    "repeated": (),  # nothing: the base once more, on the machine of the other switches
    "reference_code": (),
    "flips": ("data.augment_evaluation=true",),
    "normalize": ("model.normalize=false",),
    "mask_loss": ("model.mask_loss=mse",),
    "beta": ("model.beta=0",),
    "encoder": (),
    "class_weights": ("model.class_weights=none",),
}


@dataclass(frozen=True)
class Cell:
    """A data set under a switch: one sweep.

    Attributes:
        data: The data set.
        switch: ``base``, ``randomised``, ``randomised_lrp``, ``steps`` or one of :data:`SWITCHES`.
        seeds: Of training.
        methods: That explain, beside controls.
        overrides: Of Hydra beside those of data, methods, seed and fold.
        networks: How many networks explain each image: more than one where weights are re-initialised.
        folds: Of the data, each tested by other runs.
        trained: The cell whose networks are ranked on the data, with nothing trained; None for a cell that trains.
    """

    data: Data
    switch: str
    seeds: tuple[int, ...]
    methods: tuple[Method, ...]
    overrides: tuple[str, ...]
    networks: int = 1
    folds: tuple[int, ...] = FOLDS
    trained: "Cell | None" = None

    @property
    def key(self) -> str:
        """How a user names the cell."""
        return f"{self.data.name}/{self.switch}"

    @property
    def passes(self) -> int:
        """Estimated passes of one run through the network, forwards or backwards, an image each."""
        explaining = self.data.defects * (8 + self.networks * sum(method.passes for method in self.methods))
        return explaining if self.trained else 2 * self.data.epochs * self.data.images + explaining

    def sweep(self, prefix: str = PREFIX) -> str:
        """The name of the sweep, a folder of ``multirun/``."""
        return f"{prefix}_{self.data.name}_{self.switch}"

    def command(self, places: "Places", prefix: str = PREFIX) -> list[str]:
        """The overrides of ``python -m xairank.train``, or ``rank``, but for seed and fold, or the network."""
        methods = [override for method in self.methods for override in method.overrides]
        methods += [f"~attribution.methods.{method.name}" for method in PAPER if method not in self.methods]
        device = {"gpu": "cuda"}.get(places.accelerator, places.accelerator)
        training = [f"trainer.max_epochs={self.data.epochs}", f"trainer.accelerator={places.accelerator}"]
        training = [f"device={device}"] if self.trained else training
        plain = [
            text.format(data=places.data, weights=places.weights) for text in (*self.data.overrides, *self.overrides)
        ]
        return [f"name={self.sweep(prefix)}", *plain, *training, *methods]


@dataclass(frozen=True)
class Places:
    """Where things are, and what computes: none of it changes a result."""

    data: Path = Path("data")
    weights: Path = Path("weights")
    accelerator: str = "auto"


_NO_MAPS = (
    "attribution.keep_maps=false",
    "+evaluation.metrics.topk_by_position._target_=audit.position.TopKByPosition",
)


def _cell(
    data: Data, switch: str, seeds: Sequence[int], *overrides: str, further: tuple[Method, ...] = (), networks: int = 1
) -> Cell:
    experiment = "reference_code" if switch == "reference_code" else "paper"
    encoder = SCRATCH if switch == "encoder" else PRETRAINED
    own = (f"experiment={experiment}", *encoder, *overrides, *_NO_MAPS)
    return Cell(data, switch, tuple(seeds), (*PAPER, *further), own, networks)


def _base(data: Data, seeds: Sequence[int]) -> Cell:
    further = FURTHER if data.defects <= 40 else FURTHER[:3]
    return _cell(data, "base", seeds, "attribution.ladder=true", further=further)


def _switched(data: Data, switch: str, seeds: Sequence[int]) -> Cell:
    return _cell(data, switch, seeds, *SWITCHES[switch], "evaluation=overlap")


def _randomised(data: Data) -> Cell:
    options = ("evaluation=overlap", "attribution.randomise=true")
    return _cell(data, "randomised", SEEDS[:1], *options, further=RANDOMISED, networks=6)


def _randomised_lrp(data: Data) -> Cell:
    """Of the method that is best on hazelnuts, which was seen only when the others had been randomised."""
    cell = _randomised(data)
    return replace(cell, switch="randomised_lrp", methods=(PAPER[0], *LRP))


def _steps(data: Data) -> Cell:
    return _cell(data, "steps", SEEDS[:1], "evaluation=overlap", further=STEPS)


def _transferred(data: Data, trained: Cell) -> Cell:
    """Networks that were trained on other images of the same classes, of which one fold is left out."""
    own = ("model=run", "data=mvtec", "data.fold=null", "evaluation=overlap", "attribution=gradients", *_NO_MAPS)
    return Cell(data, f"from_{trained.data.name}", trained.seeds, PAPER, own, folds=(0,), trained=trained)


def grid() -> Iterator[Cell]:
    """All cells, the most important first."""
    yield _base(HAZELNUT, SEEDS)
    yield _base(TRANSISTOR, SEEDS[:3])
    yield _base(TILES, SEEDS[:1])
    yield _randomised(HAZELNUT)
    yield _base(RENDERED_35, SEEDS[:3])
    yield _base(RENDERED, SEEDS[:3])
    for switch in SWITCHES:
        yield _switched(HAZELNUT, switch, SEEDS[:2])
    yield _transferred(HAZELNUT, _base(RENDERED, SEEDS[:3]))
    yield _transferred(HAZELNUT, _base(RENDERED_35, SEEDS[:3]))
    yield _randomised(TRANSISTOR)
    yield _randomised_lrp(HAZELNUT)
    yield _steps(HAZELNUT)
    for switch in SWITCHES:
        yield _switched(TRANSISTOR, switch, SEEDS[:1])
    yield _steps(TRANSISTOR)
    yield _switched(TILES, "encoder", SEEDS[:1])
    yield _switched(RENDERED, "encoder", SEEDS[:1])
