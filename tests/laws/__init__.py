"""One suite per kind of plug-in, run over all that discover() finds."""
