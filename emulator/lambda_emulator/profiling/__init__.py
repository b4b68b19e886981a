"""Profiles of the init phase."""
