# Renders a prompt through `sparge worker`:  python3 worker.py MODEL "PROMPT" OUT.mp4 [key=value …]
import json, os, subprocess, sys

settings = dict(zip(("model", "prompt", "out"), sys.argv[1:4])) | dict(arg.split("=", 1) for arg in sys.argv[4:])
worker = subprocess.Popen([os.environ.get("SPARGE", "sparge"), "worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
print(json.dumps({"id": 1, "cmd": "render", "settings": settings}), file=worker.stdin)
worker.stdin.close()  # no more commands: it ends when the job is done
for event in map(json.loads, worker.stdout):
    if event["event"] in ("progress", "notice", "output", "done", "failed"):
        print({key: value for key, value in event.items() if key != "id"})
sys.exit(worker.wait() or event["event"] != "done")
