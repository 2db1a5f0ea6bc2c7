"""Writes what a developer would: `flask feature new`, `field` and `remove`."""
