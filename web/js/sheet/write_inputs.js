/** Writes inputs as the API has them, {node id: {input: value}}, into the fields of the graph that make them. */
import { app } from "../../../../scripts/app.js";
import { markUndoStep, nodeOf } from "../host.js";
import { widgetBehind } from "../wires.js";
import { say } from "../words.js";

/** The nodes of the subgraphs on the way to a node, the innermost last. */
function pathOf(id) {
    const steps = String(id).split(":");
    return steps.slice(1).map((_, i) => nodeOf(steps.slice(0, i + 1).join(":")));
}

/** {values: Map of widget -> value, troubles: sentences}. */
function plan(inputs) {
    const values = new Map(), troubles = [];
    for (const [id, fields] of Object.entries(inputs)) {
        const node = nodeOf(id);
        for (const [name, value] of Object.entries(fields)) {
            const widget = node && widgetBehind(node, name, pathOf(id));
            if (!widget) troubles.push(say`'${name}' of node ${id} cannot be reached in this workflow; \
its value is ${value}.`);
            else if (values.has(widget) && values.get(widget) !== value)
                troubles.push(say`One field sets '${name}' of several nodes, which need different values; \
for node ${id} it is ${value}.`);
            else values.set(widget, value);
        }
    }
    return {values, troubles};
}

/** Writes them as one step of undo. Returns sentences about what could not be written. */
export function writeInputs(inputs) {
    const {values, troubles} = plan(inputs);
    markUndoStep();                                                     // what was changed before is a step of its own
    for (const [widget, value] of values) {
        if (widget.value === value) continue;
        widget.value = value;
        widget.callback?.(value, app.canvas);
    }
    app.canvas.setDirty(true, true);
    markUndoStep();
    return troubles;
}

/** Writes what makes a cell of a sheet. Returns sentences about numbers that could not be written. */
export function useCell({inputs, troubles}) {
    return Object.keys(inputs).length ? [...troubles, ...writeInputs(inputs)] : troubles;
}
