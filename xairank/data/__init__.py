"""A category of images with masks: index, split, decoded samples, batches; and a rendered one."""
