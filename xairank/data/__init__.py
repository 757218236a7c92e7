"""Images with masks: index, split, decoded samples, batches; and a rendered category."""
