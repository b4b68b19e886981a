"""Programs that are measured beside the runtimes. Each runs alone, from its bytecode.

The floors do the least that any runtime must do; the adapter is a rival.
"""
