"""Web frameworks on this runtime: over the function URL, and beside other adapters."""
