"""Web frameworks on this runtime: through the function URL, and compared with other adapters."""
