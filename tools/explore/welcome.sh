#!/bin/sh
# Start AWS's emulator if the image contains it, explain what the container offers, and run the arguments.

python=$(command -v python3)
log=/tmp/aws-lambda-rie.log

if [ -z "$python" ]; then
    emulator='was not started'
elif command -v aws-lambda-rie >/dev/null; then
    aws-lambda-rie /opt/bootstrap "$_HANDLER" </dev/null >"$log" 2>&1 &
    emulator="listens on port 8080, logs to $log"
else
    emulator='is not in this image'
fi

cat <<END

This resembles AWS Lambda: layers in /opt, the function in $LAMBDA_TASK_ROOT, Lambda's variables and user.
Only /tmp is writable.

  Python          ${python:+$(python3 -V) at }${python:-none}
  Runtime         /opt/bootstrap
  Function        $_HANDLER
  AWS's emulator  $emulator

END

if [ -z "$python" ]; then
    cat <<'END'
The base image has no Python, like Lambda's OS-only runtime. Leave this shell and add one, as a layer or with
another base image:

  make explore-lambda-environment EXPLORE_LAYERS=layers/python3.13-x86_64.zip
  make explore-lambda-environment EXPLORE_BASE=public.ecr.aws/lambda/python:3.13

END
else
    cat <<'END'
To invoke the function, paste:

  invoke '{"name": "Ada"}'

END
    if [ -e "$log" ] && command -v curl >/dev/null; then
        cat <<'END'
To invoke it through AWS's emulator, paste:

  curl -d '{"name": "Ada"}' http://127.0.0.1:8080/2015-03-31/functions/function/invocations

END
    fi
fi

exec "$@"
