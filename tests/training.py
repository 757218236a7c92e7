"""What the tests of ``python -m xairank.train`` share: a call in this process, in a folder with a tiny category."""

import sys

from xairank import train

QUICK = [
    "name=test",
    "data.root=data",
    "data.category=nuts",
    "data.image_size=48",
    "data.crop=none",
    "data.batch_size=8",
    "model.encoder=resnet10t",
    "model.pretrained=false",
    "model.decoder_channels=4",
    "attribution.methods.integrated_gradients.n_steps=4",
    "trainer.max_epochs=6",
    "trainer.accelerator=cpu",
]
METRICS = [
    *("topk_overlap", "topk_iou", "pointing_game", "mass_accuracy", "average_precision", "roc_auc"),
    *("best_threshold_iou", "component_overlap", "mass_distance"),
]
SAMPLE_COLUMNS = ["seed", "fold", "split", "sample", "case", "label", "predicted"]


def command(monkeypatch, capsys, *arguments, main=train.main):
    """Runs a command, by default ``python -m xairank.train``, in this process; its exit status, output and errors."""
    monkeypatch.setattr(sys, "argv", ["xairank", *arguments])
    status = 0
    try:
        main()
    except SystemExit as exit_:
        status = exit_.code or 0
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def only_run(folder):
    (found,) = (path for path in (folder / "multirun" / "test").iterdir() if path.is_dir())
    return found
