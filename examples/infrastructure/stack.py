"""A function with this runtime and a URL that streams. Build the layer first: make dist

pip install aws-cdk-lib
npx aws-cdk deploy
"""

from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_

HERE = Path(__file__).resolve().parent


class Streaming(cdk.Stack):
    def __init__(self, scope: cdk.App, name: str) -> None:
        super().__init__(scope, name)
        runtime = lambda_.LayerVersion(
            self,
            "Runtime",
            layer_version_name="python-runtime",
            code=lambda_.Code.from_asset(str(HERE / "../../layers/lambda.zip")),
            compatible_architectures=[lambda_.Architecture.X86_64, lambda_.Architecture.ARM_64],
        )
        function = lambda_.Function(
            self,
            "Function",
            runtime=lambda_.Runtime.PYTHON_3_13,
            handler="app.handler",
            code=lambda_.Code.from_asset(str(HERE / "function")),
            architecture=lambda_.Architecture.ARM_64,
            memory_size=256,
            timeout=cdk.Duration.seconds(30),
            layers=[runtime],
            environment={
                "AWS_LAMBDA_EXEC_WRAPPER": "/opt/bootstrap"
            },  # AWS's interpreter starts this runtime
        )
        # The URL is public. FunctionUrlAuthType.AWS_IAM restricts it.
        url = function.add_function_url(
            auth_type=lambda_.FunctionUrlAuthType.NONE,
            invoke_mode=lambda_.InvokeMode.RESPONSE_STREAM,
        )
        cdk.CfnOutput(self, "Url", value=url.url, description="Open it in a browser, or use curl -N")


app = cdk.App()
Streaming(app, "Streaming")
app.synth()
