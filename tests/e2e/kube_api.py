"""The part of a kube-apiserver that pilots need, over HTTPS: checks each request as the real one does, answers in its
forms, and runs the container of a Job, when its Secret is there, as a process of this machine."""
import json
import os
import re
import signal
import ssl
import subprocess
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$")
NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
# Fields of the API's types that a pilot may have, by kind of value; anything else is refused, as with
# fieldValidation=Strict. A list of one stands for an array, a dict for an object, "labels" for a map of text.
AMOUNTS = {"cpu": str, "memory": str}
META = {"name": str, "namespace": str, "labels": "labels",
        "ownerReferences": [{"apiVersion": str, "kind": str, "name": str, "uid": str}]}
CONTAINER = {
    "name": str, "image": str, "command": [str],
    "env": [{"name": str, "valueFrom": {"secretKeyRef": {"name": str, "key": str}}}],
    "resources": {"requests": AMOUNTS, "limits": AMOUNTS},
    "securityContext": {"allowPrivilegeEscalation": bool, "privileged": bool, "readOnlyRootFilesystem": bool,
                        "capabilities": {"drop": [str]}},
    "volumeMounts": [{"name": str, "mountPath": str}]}
POD = {"restartPolicy": str, "serviceAccountName": str, "automountServiceAccountToken": bool,
       "enableServiceLinks": bool, "terminationGracePeriodSeconds": int,
       "securityContext": {"runAsNonRoot": bool, "runAsUser": int, "runAsGroup": int, "seccompProfile": {"type": str}},
       "containers": [CONTAINER], "volumes": [{"name": str, "emptyDir": {"sizeLimit": str}}]}
JOB = {"apiVersion": str, "kind": str, "metadata": META,
       "spec": {"backoffLimit": int, "completions": int, "parallelism": int, "activeDeadlineSeconds": int,
                "ttlSecondsAfterFinished": int, "template": {"metadata": {"labels": "labels"}, "spec": POD}}}
SECRET = {"apiVersion": str, "kind": str, "metadata": META, "type": str, "immutable": bool, "stringData": "labels"}


def faults(value, shape, path=""):
    """Where a manifest is not what its type says."""
    if shape == "labels":
        return [] if isinstance(value, dict) and all(isinstance(v, str) for v in value.values()) else [path]
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [path]
        return [f for i, v in enumerate(value) for f in faults(v, shape[0], f"{path}[{i}]")]
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return [path]
        unknown = [f"{path}.{k}: unknown field" for k in value if k not in shape]
        return unknown + [f for k, v in value.items() if k in shape for f in faults(v, shape[k], f"{path}.{k}")]
    return [] if type(value) is shape else [f"{path}: {type(value).__name__}"]


def job_faults(job, space):
    """What the API or the restricted Pod Security Standard refuses of a Job."""
    out = faults(job, JOB)
    if out:
        return out
    meta, spec = job["metadata"], job["spec"]
    pod, box = spec["template"]["spec"], spec["template"]["spec"]["containers"][0]
    if (job["apiVersion"], job["kind"], meta["namespace"]) != ("batch/v1", "Job", space):
        out.append("apiVersion, kind or namespace")
    if not NAME.match(meta["name"]):
        out.append("metadata.name")
    for key, value in {**meta["labels"], **spec["template"]["metadata"]["labels"]}.items():
        if not LABEL.match(value) or not LABEL.match(key.split("/")[-1]):
            out.append(f"label {key}")
    if pod["restartPolicy"] != "Never" or spec["backoffLimit"] != 0 or spec["activeDeadlineSeconds"] < 1:
        out.append("restartPolicy, backoffLimit or activeDeadlineSeconds")
    if not pod["securityContext"]["runAsNonRoot"] or pod["securityContext"]["runAsUser"] == 0:
        out.append("runAsNonRoot")
    if pod["securityContext"]["seccompProfile"]["type"] not in ("RuntimeDefault", "Localhost"):
        out.append("seccompProfile")
    if box["securityContext"]["allowPrivilegeEscalation"] or box["securityContext"]["capabilities"]["drop"] != ["ALL"]:
        out.append("container.securityContext")
    if [v["name"] for v in pod["volumes"]] != [m["name"] for m in box["volumeMounts"]]:
        out.append("volumeMounts")
    if not re.match(r"\d+Mi$", box["resources"]["limits"]["memory"]) or not box["image"]:
        out.append("resources or image")
    return out


class KubeApi:
    def __init__(self, folder, space="jobs", token="a-token"):
        self.space, self.token, self.page = space, token, 1
        self.lock = threading.RLock()
        self.jobs, self.secrets, self.pods, self.refused, self.seen = {}, {}, {}, [], []
        self.fail_next = []  # (method, code, reason): answered once each, whatever is asked
        self.cert = os.path.join(folder, "api.pem")
        key = os.path.join(folder, "api.key")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", key, "-out", self.cert, "-subj", "/CN=api", "-days", "2",
                        "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        for name in list(self.pods):
            self.end(name)

    def end(self, name):
        process = self.pods.pop(name, None)
        if process is not None:
            os.kill(process.pid, signal.SIGCONT)
            process.kill()
            process.wait()

    def active(self):
        with self.lock:
            return [name for name, process in self.pods.items() if process.poll() is None]

    # Answers: (code, object)
    def status(self, code, reason, message):
        self.refused.append((code, message))
        return code, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message,
                      "reason": reason, "code": code}

    def answer(self, method, target, headers, body):
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        self.seen.append((method, path))
        if headers.get("Authorization") != "Bearer " + self.token:
            return self.status(401, "Unauthorized", "Unauthorized")
        for i, (wanted, code, reason) in enumerate(self.fail_next):
            if wanted == method:
                del self.fail_next[i]
                return self.status(code, reason, f"asked to fail: {reason}")
        jobs = f"/apis/batch/v1/namespaces/{self.space}/jobs"
        if method == "POST" and path in (jobs, f"/api/v1/namespaces/{self.space}/secrets"):
            if headers.get("Content-Type") != "application/json":
                return self.status(415, "UnsupportedMediaType", "the body is not application/json")
            return (self.create_job if path == jobs else self.create_secret)(json.loads(body))
        if method == "GET" and path == jobs:
            return self.list_jobs(query)
        if method == "DELETE" and path.startswith(jobs + "/"):
            return self.delete_job(path[len(jobs) + 1:], query)
        return self.status(404, "NotFound", "the server could not find the requested resource")

    def create_job(self, job):
        wrong = job_faults(job, self.space)
        if wrong:
            return self.status(422, "Invalid", f"Job is invalid: {wrong}")
        name = job["metadata"]["name"]
        if name in self.jobs:
            return self.status(409, "AlreadyExists", f'jobs.batch "{name}" already exists')
        job["metadata"].update(uid=str(uuid.uuid4()), resourceVersion="1", creationTimestamp="2026-01-01T00:00:00Z")
        self.jobs[name] = dict(job, status={})
        return 201, self.jobs[name]

    def create_secret(self, secret):
        wrong = faults(secret, SECRET)
        if wrong:
            return self.status(422, "Invalid", f"Secret is invalid: {wrong}")
        name, owner = secret["metadata"]["name"], secret["metadata"]["ownerReferences"][0]
        if name in self.secrets or owner["uid"] != self.jobs.get(name, {}).get("metadata", {}).get("uid"):
            return self.status(409, "AlreadyExists", f'secrets "{name}" already exists or has no such owner')
        self.secrets[name] = secret["stringData"]
        self.run(name)
        return 201, {"kind": "Secret", "apiVersion": "v1", "metadata": secret["metadata"]}

    def run(self, name):
        box = self.jobs[name]["spec"]["template"]["spec"]["containers"][0]
        env = {"PATH": os.environ["PATH"]}
        for one in box["env"]:
            ref = one["valueFrom"]["secretKeyRef"]
            env[one["name"]] = self.secrets[ref["name"]][ref["key"]]
        self.pods[name] = subprocess.Popen(box["command"], env=env, stdin=subprocess.DEVNULL,
                                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def list_jobs(self, query):
        label, _, value = query["labelSelector"][0].partition("=")
        names = sorted(n for n, job in self.jobs.items() if job["metadata"]["labels"].get(label) == value)
        for name in names:
            code = self.pods[name].poll() if name in self.pods else None
            self.jobs[name]["status"] = {"active": 1} if code is None else {
                "conditions": [{"type": "Failed" if code else "Complete", "status": "True"}]}
        after = query.get("continue", [""])[0]
        rest = [n for n in names if n > after]
        size = min(int(query["limit"][0]), self.page)
        meta = {"resourceVersion": "1"}
        if len(rest) > size:
            meta.update({"continue": rest[size - 1], "remainingItemCount": len(rest) - size})
        return 200, {"kind": "JobList", "apiVersion": "batch/v1", "metadata": meta,
                     "items": [self.jobs[n] for n in rest[:size]]}

    def delete_job(self, name, query):
        if query.get("propagationPolicy") != ["Background"]:
            return self.status(400, "BadRequest", "without propagationPolicy the pod of a job stays")
        if name not in self.jobs:
            return self.status(404, "NotFound", f'jobs.batch "{name}" not found')
        del self.jobs[name]
        self.secrets.pop(name, None)
        self.end(name)
        return 200, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                     "details": {"name": name}}

    def handler(api):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def reply(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with api.lock:
                    code, answer = api.answer(self.command, self.path, self.headers, body)
                out = json.dumps(answer).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(out)))
                self.end_headers()
                self.wfile.write(out)

            do_GET = do_POST = do_DELETE = reply

            def log_message(self, *_):
                pass

        return Handler
