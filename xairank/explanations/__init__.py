"""What explaining leaves: maps over images, maps as files, and the manifest that says what each of them is."""
