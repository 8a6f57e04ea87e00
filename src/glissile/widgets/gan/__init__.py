"""Sections of the dock that looks through generators of micrographs."""
