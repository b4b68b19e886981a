"""The cases, a module for each question."""
