#!/usr/bin/python3
"""An S3 server on loopback that checks signatures, for tests: Debian's python3-moto with authentication switched on.

Prints one line, {"endpoint", "id", "secret", "bucket"}, and serves until its input ends. Exit 77 with a line on stderr
when moto is not installed (./dev setup s3).
"""
import json
import os
import sys

SETUP_CALLS = 4  # what may be called without a valid signature: the four calls below
os.environ["INITIAL_NO_AUTH_ACTION_COUNT"] = str(SETUP_CALLS)
try:
    import boto3
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer
    from moto.s3.responses import S3Response
except ImportError:
    print("s3_server: found no python3-moto, expected it: ./dev setup s3", file=sys.stderr)
    sys.exit(77)


def sign_what_was_sent():
    """moto verifies over the decoded address, so a slash in a parameter never fits; S3 takes it as it was sent."""
    setup = S3Response.setup_class

    def setup_with_raw_address(self, request, full_url, headers):
        setup(self, request, full_url, headers)
        if request.environ.get("RAW_URI", "").startswith("/"):
            self.uri = request.host_url.rstrip("/") + request.environ["RAW_URI"]

    S3Response.setup_class = setup_with_raw_address


def main():
    sign_what_was_sent()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    endpoint = "http://%s:%d" % server.get_host_and_port()
    where = {"endpoint_url": endpoint, "region_name": "us-east-1", "aws_access_key_id": "none",
             "aws_secret_access_key": "none"}
    iam, s3 = boto3.client("iam", **where), boto3.client("s3", **where)
    everything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    iam.create_user(UserName="tester")
    iam.put_user_policy(UserName="tester", PolicyName="all", PolicyDocument=json.dumps(everything))
    key = iam.create_access_key(UserName="tester")["AccessKey"]
    s3.create_bucket(Bucket="backups")
    print(json.dumps({"endpoint": endpoint, "id": key["AccessKeyId"], "secret": key["SecretAccessKey"],
                      "bucket": "backups"}), flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    import logging
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    main()
