"""Build and run the container of `make explore-lambda-environment`."""
