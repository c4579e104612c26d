#!/usr/bin/env python3
"""Sweeps a workflow's reliabilities over HTTP: a picture for each setting, all from one seed, each with its workflow inside (drag it into ComfyUI).

    python3 sweep.py
    python3 sweep.py face_from_three_experts.json --reliabilities "1 0 0" "1 1 1" "0 0 1" --server 127.0.0.1:8188 --out pictures
"""
import argparse
import json
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # ComfyUI is no matter of a proxy


def ask(url, data=None):
    with OPENER.open(urllib.request.Request(url, data and json.dumps(data).encode(), {"Content-Type": "application/json"}), timeout=60) as answer:
        return answer.read()


def run(server, workflow):
    """Queues a workflow in API format, waits for it, and returns the files that it saved."""
    try:
        prompt = json.loads(ask(f"{server}/prompt", {"prompt": workflow}))["prompt_id"]
    except urllib.error.HTTPError as refusal:
        nodes = json.loads(refusal.read())["node_errors"]
        sys.exit("; ".join(f"node {n}: {e['message']}: {e['details']}" for n in nodes for e in nodes[n]["errors"]) or f"{server} refused it: {refusal}")
    while not (history := json.loads(ask(f"{server}/history/{prompt}"))):
        time.sleep(0.2)
    status, outputs = history[prompt]["status"], history[prompt]["outputs"].values()
    if status["status_str"] != "success":
        sys.exit(next((data["exception_message"].strip() for kind, data in status["messages"] if kind == "execution_error"), "The run was interrupted."))
    images = [image for output in outputs for image in output.get("images", ()) if image["type"] == "output"]
    return [ask(f"{server}/view?{urllib.parse.urlencode(image)}") for image in images]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workflow", nargs="?", type=Path, default=Path(__file__).with_name("scene_from_class_and_text.json"), help="a file in API format")
    parser.add_argument("--reliabilities", nargs="+", metavar="NUMBERS", default=["1 0", "3 1", "1 1", "1 3", "0 1"], help="one text for each picture")
    parser.add_argument("--server", default="127.0.0.1:8188", help="address and port of a running ComfyUI (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("sweep"), help="the folder for the pictures (default: %(default)s)")
    options = parser.parse_args()
    server = (options.server if "://" in options.server else f"http://{options.server}").rstrip("/")
    try:
        workflow = json.loads(options.workflow.read_text("utf-8"))
        mixers = [node["inputs"] for node in workflow.values() if isinstance(node, dict) and node.get("class_type") == "ReliabilityMixer"]
    except (OSError, ValueError, AttributeError) as error:
        sys.exit(f"{options.workflow} cannot be read as a workflow: {error}")
    if not mixers:
        sys.exit(f"{options.workflow} has no ReliabilityMixer in API format: in ComfyUI, Export (API) in the menu Workflow writes it.")
    for numbers in options.reliabilities:
        for mixer in mixers:
            mixer["reliabilities"] = numbers
        try:
            pictures = run(server, workflow)
        except (OSError, ValueError, KeyError) as error:
            sys.exit(f"No ComfyUI answers at {server} ({error}): start it, or name it in --server.")
        options.out.mkdir(parents=True, exist_ok=True)
        for count, picture in enumerate(pictures, start=1):
            path = options.out / f"{options.workflow.stem}_{re.sub('[^0-9.]+', '-', numbers)}{f'_{count}' if count > 1 else ''}.png"
            path.write_bytes(picture)
            print(path, flush=True)


if __name__ == "__main__":
    main()
