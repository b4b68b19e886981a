"""Compare our emulator with AWS's: the same invocations through AWS CLI and boto3."""
