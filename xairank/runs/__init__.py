"""What a run leaves on disk: its folder, the names of what is in it, its maps; and a sweep, a folder of runs."""
