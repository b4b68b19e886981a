"""Tests of the programs that build and check zips, and the package."""
