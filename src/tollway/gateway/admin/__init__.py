"""The control plane: users, grants, channels and lists, for people and scripts that run the hub."""
