"""A Slurm of one machine in a folder: munged, slurmctld and slurmd as own processes on free ports, ended by pid."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "squeue", "scancel")


def find(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def why_not():
    """What is missing for a Slurm here, or an empty text."""
    missing = [name for name in PROGRAMS if not find(name)]
    if missing:
        return f"no {', '.join(missing)}: ./dev setup slurm"
    if os.getuid() != 0:
        return "slurmd needs root"
    if not has_plugin("auth_slurm") and not (find("munged") and find("mungekey")):
        return "no munged and a Slurm without auth/slurm: ./dev setup slurm"
    return ""


def has_plugin(name):
    folders = [f"/usr/lib/{arch}/slurm-wlm" for arch in os.listdir("/usr/lib")] + ["/usr/lib64/slurm", "/usr/lib/slurm"]
    return any(os.path.exists(os.path.join(folder, name + ".so")) for folder in folders)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Slurm:
    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="hanse-slurm-")
        os.chmod(self.folder, 0o755)
        self.conf = os.path.join(self.folder, "slurm.conf")
        self.env = dict(os.environ, SLURM_CONF=self.conf)
        self.processes = []
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    def start(self):
        host = socket.gethostname().split(".")[0]
        for name in ("state", "spool"):
            os.mkdir(os.path.join(self.folder, name))
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(f"""ClusterName=hanse
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
{self.authentication()}
SlurmctldPort={free_port()}
SlurmdPort={free_port()}
StateSaveLocation={self.folder}/state
SlurmdSpoolDir={self.folder}/spool
SlurmctldPidFile={self.folder}/slurmctld.pid
SlurmdPidFile={self.folder}/slurmd.pid
SlurmctldLogFile={self.folder}/slurmctld.log
SlurmdLogFile={self.folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
ReturnToService=2
MpiDefault=none
KillWait=2
MinJobAge=10
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=0
NodeName={host} NodeAddr=127.0.0.1 CPUs={os.cpu_count()} RealMemory=1024 State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE OverSubscribe=FORCE:8 State=UP
""")
        self.spawn("slurmctld", "-D", "-i", "-f", self.conf)
        self.spawn("slurmd", "-D", "-f", self.conf)
        self.wait(lambda: "idle" in self.command("sinfo", "--noheader", "--format=%T"))

    def authentication(self):
        key = os.path.join(self.folder, "auth.key")
        if has_plugin("auth_slurm"):
            with open(os.path.join(self.folder, "slurm.key"), "wb") as f:
                f.write(os.urandom(64))
            os.chmod(f.name, 0o600)
            return "AuthType=auth/slurm\nCredType=cred/slurm"
        subprocess.run([find("mungekey"), "-c", "-k", key], check=True)
        path = os.path.join(self.folder, "munge.socket")
        self.spawn("munged", "--foreground", "--force", "--key-file=" + key, "--socket=" + path,
                   *(f"--{what}-file={self.folder}/munged.{what}" for what in ("pid", "seed", "log")))
        self.wait(lambda: os.path.exists(path))
        return f"AuthType=auth/munge\nAuthInfo=socket={path}\nCredType=cred/munge"

    def spawn(self, name, *words):
        with open(os.path.join(self.folder, name + ".out"), "wb") as out:
            self.processes.append(subprocess.Popen([find(name), *words], env=self.env, stdout=out, stderr=out,
                                                   stdin=subprocess.DEVNULL))

    def command(self, *words):
        done = subprocess.run(words, env=self.env, capture_output=True, text=True, check=False, timeout=60)
        return done.stdout if done.returncode == 0 else ""

    def jobs(self):
        """Ids of the jobs that run."""
        return self.command("squeue", "--noheader", "--states=RUNNING", "--format=%i").split()

    def all_jobs(self):
        return self.command("squeue", "--noheader", "--states=RUNNING,PENDING", "--format=%i %k").splitlines()

    def wait(self, check):
        deadline = time.monotonic() + 60
        while not check():
            if time.monotonic() > deadline or any(p.poll() is not None for p in self.processes):
                raise RuntimeError("a Slurm that does not come up: " + self.words())
            threading.Event().wait(0.1)

    def words(self):
        out = ""
        for name in sorted(os.listdir(self.folder)):
            if name.endswith((".log", ".out")):
                with open(os.path.join(self.folder, name), encoding="utf-8", errors="replace") as f:
                    out += f"\n{name}: {f.read()[-1500:]}"
        return out

    def stop(self):
        for job in self.command("squeue", "--noheader", "--format=%i").split():
            self.command("scancel", "--signal=KILL", "--full", job)
            self.command("scancel", job)
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)
