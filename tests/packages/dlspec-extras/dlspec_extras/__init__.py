"""Layers that dlspec does not have."""
