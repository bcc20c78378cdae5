"""Memory and CPU of agent, keeper and guard of a release build, with ten monitors at one second.

Starts the demo's three servers, leaves them running, has the leader run the group, so that it leads,
serves and monitors, and reads /proc for a minute. The figures of the others are printed beside its own.

Once at the default heartbeat time-out of 5 s, once at the demo's of 1 s, or at those that are named.

Measured on 2 idle cores, Linux 6.18, three servers: at 5 s agent and keeper take 0.45 % of a core on the leader
with its ten monitors (the goal is 0.5 %), 0.15 % and 0.12 % on the others; at 1 s 1.22 %, 0.72 % and 0.68 %: most of
that is heartbeats, five times as many. Memory on the leader, agent and keeper: 22.2 MB and 22.5 MB (the goal is 30 MB);
the keeper's guard, which holds the keeper's pages once more, 4.9 MB and 5.4 MB beside them. A build for size took 1.12 %,
0.63 % and 0.52 % at 1 s, and 0.90 %, 0.43 % and 0.33 % while one core was busy with something else: what wakes an idle
core is dearer. RSS counts pages that processes share once for each.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

SECONDS = 60
# What a manifest that says nothing gets, and what the demo works with.
TIMEOUTS = ["5s", "1s"]
OWN_TIMEOUT = "timeout: 1s"
CLUSTER = "cluster.yaml"


def processes(pids, program):
    """Agent, keeper and the keeper's guard among a server's processes, by their command lines."""
    found = {}
    pids = list(pids)
    for pid in pids:
        try:
            # The guard is the keeper's child; the list grows while it is walked.
            children = open(f"/proc/{pid}/task/{pid}/children").read().split()
            pids.extend(int(child) for child in children)
        except OSError:
            continue
    for pid in pids:
        try:
            words = open(f"/proc/{pid}/cmdline", "rb").read().decode().split("\0")
        except OSError:
            continue
        if os.path.basename(words[0]) == program and words[1:2] in (["agent"], ["keeper"], ["keeper-guard"]):
            found[words[1]] = pid
    return found


def resident(pid):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def ticks(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def take_group_to_leader(stead, kubeconfig):
    environment = dict(os.environ, KUBECONFIG=kubeconfig)

    def run(*arguments):
        command = [stead, *arguments]
        return subprocess.run(command, env=environment, check=True, capture_output=True).stdout

    leader = json.loads(run("get", "hac", "-o", "json"))["items"][0]["status"]["leader"]
    group = json.loads(run("get", "fg", "web", "-o", "json"))
    if group["status"]["server"] != leader:
        run("group", "move", "web", "--to", leader)
    return leader


def set_timeout(manifests, timeout):
    """Has the demo's cluster work with this heartbeat time-out instead of its own."""
    path = f"{manifests}/{CLUSTER}"
    text = open(path).read()
    assert text.count(OWN_TIMEOUT) == 1, f"{path} does not set {OWN_TIMEOUT}"
    with open(path, "w") as file:
        file.write(text.replace(OWN_TIMEOUT, f"timeout: {timeout}"))


def main():
    target = sys.argv[1]
    for timeout in sys.argv[2:] or TIMEOUTS:
        measure(target, timeout)


def measure(target, timeout):
    demo = f"{target}/debug/examples/demo"
    with tempfile.TemporaryDirectory() as folder:
        manifests = f"{folder}/manifests"
        shutil.copytree("manifests/quickstart", manifests)
        shutil.copy("benches/footprint/monitors.yaml", manifests)
        set_timeout(manifests, timeout)
        figures = f"{folder}/figures.json"
        command = [demo, "--stead", f"{target}/release/stead", "--manifests", manifests]
        subprocess.run(command + ["--keep", "--json", figures], check=True,
                       stdout=subprocess.DEVNULL)
        try:
            made = json.load(open(figures))
            servers = made["servers"]
            leader = take_group_to_leader(f"{target}/release/stead", made["kubeconfig"])
            print(f"{leader} leads and runs the group")
            before = {}
            for server in servers:
                for role, pid in processes(server["pids"], "stead").items():
                    before[server["name"], role] = (pid, ticks(pid))
            time.sleep(SECONDS)
            hertz = os.sysconf("SC_CLK_TCK")
            print(f"release build, 10 monitors at 1 s, heartbeat time-out {timeout}, {SECONDS} s:")
            totals = {}
            for (name, role), (pid, start) in sorted(before.items()):
                cpu = (ticks(pid) - start) / hertz / SECONDS * 100
                memory = resident(pid)
                total = totals.setdefault(name, [0.0, 0.0])
                total[0] += memory
                total[1] += cpu
                print(f"  {name:5} {role:12} {memory:6.1f} MB RSS  {cpu:5.2f} % of a core")
            for name, (memory, cpu) in totals.items():
                print(f"  {name:5} together    {memory:6.1f} MB RSS  {cpu:5.2f} % of a core")
        finally:
            subprocess.run([demo, "--stop"], check=False)


if __name__ == "__main__":
    main()
