"""Vendors' tools on this runtime: the real packages, each watched at its work."""
