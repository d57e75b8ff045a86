"""From a request to the channels that may answer it, in order."""
