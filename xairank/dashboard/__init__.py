"""The live dashboard: an image dropped into a page, explained at once by any run or network, with any options."""
