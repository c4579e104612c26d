#!/usr/bin/env python3
"""Sweeps a workflow's reliabilities over HTTP: one picture per setting, all from one seed.

Each picture has its workflow inside: drag it into ComfyUI.

    python3 sweep.py
    python3 sweep.py face_from_three_experts.json --reliabilities "1 0 0" "1 1 1" "0 0 1" --out pictures

With --apply it runs a workflow that has a Reliability Sweep or another sheet, and writes the workflow with the numbers
of one cell, counted from 1, row by row:

    python3 sweep.py reliability_sweep.json --apply 8
"""
from __future__ import annotations

import argparse
import json
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SETTINGS = ["1 0", "3 1", "1 1", "1 3", "0 1"]
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # a proxy has no part in this

Workflow = dict[str, Any]


def ask(url: str, data: dict[str, Any] | None = None) -> bytes:
    """The answer of a GET, or of a POST where there is data to send."""
    body = None if data is None else json.dumps(data).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with OPENER.open(request, timeout=60) as answer:
        return answer.read()


def run(server: str, workflow: Workflow) -> list[bytes]:
    """Queues a workflow in API format, waits for it, and returns the files that it saved."""
    images = [image for output in outputs_of(server, workflow).values() for image in output.get("images", ())]
    saved = [image for image in images if image["type"] == "output"]
    return [ask(f"{server}/view?{urllib.parse.urlencode(image)}") for image in saved]


def outputs_of(server: str, workflow: Workflow) -> dict[str, dict[str, Any]]:
    """Queues a workflow in API format, waits for it, and returns what its nodes told, {node id: output}."""
    try:
        prompt = json.loads(ask(f"{server}/prompt", {"prompt": workflow}))["prompt_id"]
    except urllib.error.HTTPError as refusal:
        sys.exit(objections(refusal) or f"{server} refused it: {refusal}")
    while not (history := json.loads(ask(f"{server}/history/{prompt}"))):
        time.sleep(0.2)
    status, outputs = history[prompt]["status"], history[prompt]["outputs"]
    if status["status_str"] != "success":
        sys.exit(failure(status["messages"]))
    return outputs


def sheet_of(server: str, workflow: Workflow) -> dict[str, Any]:
    """Runs a workflow with a sheet and returns its cells.

    A host that has kept the sheet tells of it in its history: it is that of a run in which the node and all before it
    were the same, whatever comes after it.
    """
    runs = [(workflow, outputs_of(server, workflow))]
    for entry in reversed(json.loads(ask(f"{server}/history")).values()):
        runs.append((entry["prompt"][2], entry["outputs"]))
    for ran, outputs in runs:
        for node, output in outputs.items():
            if "mcdm_cells" in output and before(node, ran) == before(node, workflow):
                return json.loads(output["mcdm_cells"][0])
    sys.exit("The workflow drew no sheet: it needs a ReliabilitySweep or CompareExperts. One that was drawn before is "
             "not drawn again; another seed draws it.")


def before(node: str, workflow: Workflow) -> Workflow | None:
    """A node and all that its inputs come from, without titles; None if the workflow does not have it."""
    found: Workflow = {}
    open_ends = [node]
    while open_ends:
        key = open_ends.pop()
        if key in found:
            continue
        if key not in workflow:
            return None
        found[key] = {part: workflow[key].get(part) for part in ("class_type", "inputs")}
        for value in workflow[key].get("inputs", {}).values():
            if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str):
                open_ends.append(value[0])
    return found


def apply(sheet: dict[str, Any], number: int, workflow: Workflow) -> None:
    """Sets the numbers of a cell in the workflow, and says which cannot be set."""
    cells = {cell["number"]: cell for cell in sheet["cells"]}
    if number not in cells:
        sys.exit(f"The sheet has the cells {', '.join(map(str, cells))}, and {number} is none of them.")
    cell = cells[number]
    for node, inputs in cell["inputs"].items():
        workflow[node]["inputs"].update(inputs)
    print(f"cell {number}: {cell['label']}", *cell["troubles"], sep="\n", file=sys.stderr)


def objections(refusal: urllib.error.HTTPError) -> str:
    """What ComfyUI says against the inputs of a workflow's nodes."""
    said = []
    for node, trouble in json.loads(refusal.read())["node_errors"].items():
        said += [f"node {node}: {error['message']}: {error['details']}" for error in trouble["errors"]]
    return "; ".join(said)


def failure(messages: list[Any]) -> str:
    """Why a run ended before its end."""
    for kind, data in messages:
        if kind == "execution_error":
            return data["exception_message"].strip()
    return "The run was interrupted."


def read(path: Path) -> tuple[Workflow, list[dict[str, Any]]]:
    """(the workflow in a file, the inputs of its ReliabilityMixers). Exits with a sentence where there are none."""
    try:
        workflow = json.loads(path.read_text("utf-8"))
        nodes = [node for node in workflow.values() if isinstance(node, dict)]
        mixers = [node["inputs"] for node in nodes if node.get("class_type") == "ReliabilityMixer"]
    except (OSError, ValueError, AttributeError) as error:
        sys.exit(f"{path} cannot be read as a workflow: {error}")
    if not mixers:
        sys.exit(f"{path} has no ReliabilityMixer in API format: in ComfyUI, Export (API) in the menu Workflow "
                 "writes it.")
    return workflow, mixers


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workflow", nargs="?", type=Path, default=HERE / "scene_from_class_and_text.json",
                        help="a file in API format")
    parser.add_argument("--reliabilities", nargs="+", metavar="NUMBERS", default=SETTINGS,
                        help="one text per picture")
    parser.add_argument("--apply", type=int, metavar="CELL", help="writes the workflow with the numbers of this cell")
    parser.add_argument("--server", default="127.0.0.1:8188",
                        help="address and port of a running ComfyUI (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("sweep"),
                        help="the folder for the pictures (default: %(default)s)")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    server = (options.server if "://" in options.server else f"http://{options.server}").rstrip("/")
    workflow, mixers = read(options.workflow)
    if options.apply is not None:
        try:
            sheet = sheet_of(server, workflow)
        except (OSError, KeyError) as error:
            sys.exit(f"No ComfyUI answers at {server} ({error}): start it, or name it in --server.")
        apply(sheet, options.apply, workflow)
        options.out.mkdir(parents=True, exist_ok=True)
        path = options.out / f"{options.workflow.stem}_cell_{options.apply}.json"
        path.write_text(json.dumps(workflow, indent=2) + "\n", "utf-8")
        print(path)
        return
    for numbers in options.reliabilities:
        for mixer in mixers:
            mixer["reliabilities"] = numbers
        try:
            pictures = run(server, workflow)
        except (OSError, ValueError, KeyError) as error:
            sys.exit(f"No ComfyUI answers at {server} ({error}): start it, or name it in --server.")
        options.out.mkdir(parents=True, exist_ok=True)
        setting = re.sub("[^0-9.]+", "-", numbers)
        for count, picture in enumerate(pictures, start=1):
            suffix = f"_{count}" if count > 1 else ""
            path = options.out / f"{options.workflow.stem}_{setting}{suffix}.png"
            path.write_bytes(picture)
            print(path, flush=True)


if __name__ == "__main__":
    main()
