"""Build and check zips for Lambda, publish layers, and run the tests on every Python."""
