"""Run very many invocations: none may be lost or doubled, and nothing may grow."""
