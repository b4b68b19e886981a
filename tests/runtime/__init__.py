"""Tests of the runtime, one file for each part of a function's life."""
