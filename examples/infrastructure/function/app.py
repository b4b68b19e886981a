"""A function whose URL streams five lines, one by one."""

import time


def handler(event, context):
    yield {"statusCode": 200, "headers": {"content-type": "text/plain; charset=utf-8"}}
    for number in range(1, 6):
        yield f"line {number} of {context.function_name}\n"
        time.sleep(0.2)
