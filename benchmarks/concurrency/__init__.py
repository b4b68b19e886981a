"""Several invocations at once in one environment, beside AWS's runtime."""
