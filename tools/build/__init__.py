"""Modules that the programs in `tools` share: zips, packages, bytecode, interpreters, checks."""
