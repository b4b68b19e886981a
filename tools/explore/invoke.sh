#!/bin/sh
# Invoke the function once in the emulator: invoke ['{"name": "Ada"}'] [OPTIONS of the emulator].

event=${1:-'{"name": "world"}'}
[ "$#" -eq 0 ] || shift

cd /usr/local/share/explore || exit
PYTHONPATH=emulator exec python3 -m lambda_emulator run --bootstrap /opt/bootstrap --task-root "$LAMBDA_TASK_ROOT" --handler "$_HANDLER" \
    --name "$AWS_LAMBDA_FUNCTION_NAME" --event "$event" "$@"
