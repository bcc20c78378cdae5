"""Runs the lines that come as JSON, one string in a line, with clients `ec2` and `r53` at argument 1.

Each gets a namespace of its own. The answer is one line of JSON: whether they ran to the end, and what
they printed, or what stopped them.
"""

import contextlib
import io
import json
import sys
import traceback

import boto3

of = dict(endpoint_url=f"http://{sys.argv[1]}", region_name="us-east-1",
          aws_access_key_id="witness", aws_secret_access_key="witness")
ec2, r53 = boto3.client("ec2", **of), boto3.client("route53", **of)
for line in sys.stdin:
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            exec(json.loads(line), {"ec2": ec2, "r53": r53})
        answer = [True, printed.getvalue().strip()]
    except Exception:
        answer = [False, traceback.format_exc()]
    print(json.dumps(answer), flush=True)
