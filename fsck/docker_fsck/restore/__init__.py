"""Layers that the operator supplies: found in archives, folders and other data roots, proved by digest."""
