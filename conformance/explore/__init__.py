"""`make explore-lambda-environment`, built and run for real."""
