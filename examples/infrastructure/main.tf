# A function with this runtime and a URL that streams. Build the layer first: make dist
#
#   terraform init && terraform apply

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.29" # the first with invoked_via_function_url
    }
    archive = {
      source  = "hashicorp/archive"
      version = ">= 2.4"
    }
  }
}

data "archive_file" "function" {
  type        = "zip"
  source_dir  = "${path.module}/function"
  output_path = "${path.module}/function.zip"
}

resource "aws_lambda_layer_version" "runtime" {
  layer_name               = "python-runtime"
  filename                 = "${path.module}/../../layers/lambda.zip"
  source_code_hash         = filebase64sha256("${path.module}/../../layers/lambda.zip")
  compatible_architectures = ["x86_64", "arm64"]
}

resource "aws_iam_role" "function" {
  name_prefix = "streaming-"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "logs" {
  role       = aws_iam_role.function.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
}

resource "aws_lambda_function" "function" {
  function_name    = "streaming"
  runtime          = "python3.13"
  handler          = "app.handler"
  filename         = data.archive_file.function.output_path
  source_code_hash = data.archive_file.function.output_base64sha256
  role             = aws_iam_role.function.arn
  architectures    = ["arm64"]
  memory_size      = 256
  timeout          = 30
  layers           = [aws_lambda_layer_version.runtime.arn]
  environment {
    variables = {
      AWS_LAMBDA_EXEC_WRAPPER = "/opt/bootstrap" # AWS's interpreter starts this runtime
    }
  }
}

# The URL is public. authorization_type = "AWS_IAM" restricts it; then remove both permissions.
resource "aws_lambda_function_url" "function" {
  function_name      = aws_lambda_function.function.function_name
  authorization_type = "NONE"
  invoke_mode        = "RESPONSE_STREAM"
}

resource "aws_lambda_permission" "open_url" {
  function_name          = aws_lambda_function.function.function_name
  principal              = "*"
  action                 = "lambda:InvokeFunctionUrl"
  function_url_auth_type = "NONE"
}

resource "aws_lambda_permission" "invoke_by_url" {
  function_name            = aws_lambda_function.function.function_name
  principal                = "*"
  action                   = "lambda:InvokeFunction"
  invoked_via_function_url = true
}

output "url" {
  description = "Open it in a browser, or use curl -N"
  value       = aws_lambda_function_url.function.function_url
}
