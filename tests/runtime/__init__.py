"""Tests of the runtime, by the life of a function."""
