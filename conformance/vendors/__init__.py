"""Vendors' tools on this runtime: the real packages, with checks of what they send."""
