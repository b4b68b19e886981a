"""Projects as their frameworks' documentation creates them, without a line for Lambda, and their cases."""
