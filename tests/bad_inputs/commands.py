"""Mistakes in the command line and in the network that is trained."""

from pathlib import Path

import torch
import yaml

from tests.bad_inputs.case import Case
from tests.bad_inputs.making import weights

CASES = [
    # The command
    Case("a key that does not exist", arguments="model.betta=1"),
    Case("a key of another group", arguments="beta=1"),
    Case("a group's option that does not exist", arguments="data=mvtek"),
    Case("an experiment that does not exist", arguments="experiment=papper"),
    Case("a value of the wrong type", arguments="trainer.max_epochs=ten"),
    Case("a value out of range", arguments="model.beta=-1"),
    Case("not a number", arguments="model.lr=nan"),
    Case("a choice that does not exist", arguments="model.mask_loss=dice"),
    Case("a switch that is none", arguments="model.pretrained=maybe"),
    Case("several seeds without -m", arguments="seed=1,2"),
    Case("a path that Hydra reads otherwise", arguments="data.root=~/nuts"),
    Case("a path with an equals sign", arguments="data.root=a=b/nuts"),
    Case("a user's home that is none", arguments="data.root='~nobody-here/nuts'"),
    Case("a fold beyond the folds", arguments="data.fold=5"),
    Case("one fold", arguments="data.n_folds=1"),
    Case("a batch of one", arguments="data.batch_size=1"),
    Case("an image size of 0", arguments="data.image_size=0"),
    Case("a name with a slash", arguments="name=a/b"),
    Case("an empty name", arguments="name="),
    Case("a seed below 0", arguments="seed=-1"),
    Case("no methods", arguments="~attribution.methods"),
    Case("a method that does not exist", arguments="attribution.methods.gradcam._target_=xairank.attribution.GradCam"),
    Case("an option that a method lacks", arguments="+attribution.methods.saliency.steps=3"),
    Case("a baseline that does not exist", arguments="attribution.methods.integrated_gradients.baseline=grey"),
    Case("half a step", arguments="attribution.methods.integrated_gradients.n_steps=2.5"),
    Case("one step of the trapezoid rule",
         arguments="attribution.methods.integrated_gradients.rule=trapezoid "
                   "attribution.methods.integrated_gradients.n_steps=1"),
    Case("a score that does not exist", arguments="+attribution.methods.saliency.score=loss"),
    Case("a blur below 0", arguments="+attribution.methods.saliency.smooth=-1"),
    Case("a layer that the encoder lacks", arguments="+attribution.methods.gradcam.layer=layer9"),
    Case("a control with the name of a method",
         arguments="+attribution.controls.gradcam._target_=xairank.attribution.controls.Center"),
    Case("a method among the controls",
         arguments="+attribution.controls.plain._target_=xairank.attribution.Saliency"),
    Case("a ladder of a metric that asks the network",
         arguments="attribution.ladder=true evaluation=faithfulness ranking.metric=deletion_blurred"),
    Case("a batch limit of 0", arguments="attribution.batch_limit=0"),
    Case("an accelerator that does not exist", arguments="trainer.accelerator=tpu"),
    Case("an override without a value", arguments="model.beta"),
    # The model
    Case("an encoder with a typing mistake", arguments="model.encoder=efficientnet_bO"),
    Case("an encoder without a feature map", arguments="model.encoder=pit_ti_224 data.image_size=64"),
    Case("weights that are not there", arguments="model.encoder_weights=weights.safetensors"),
    Case("weights of another architecture", weights,
         "model.encoder=resnet10t model.encoder_weights=weights.safetensors"),
    Case("weights cut in half", lambda: weights(cut=True),
         "model.encoder=resnet18 model.encoder_weights=weights.safetensors"),
    Case("weights that are a pickled object", lambda: torch.save({"model": yaml.YAMLObject}, "weights.pth"),
         "model.encoder_weights=weights.pth"),
    Case("weights that are a text", lambda: Path("weights.pth").write_text("hello"),
         "model.encoder_weights=weights.pth"),
]  # fmt: skip
