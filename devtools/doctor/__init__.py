"""Explains a broken set-up, and changes nothing: `./run doctor`."""
