/** Who is connected to a mixer, by which name and in which colour: shared by everything in the page that shows experts. */
import { say } from "./words.js";

/** One a slot: told apart by the colour-blind too (0.1 in OKLab for all kinds), and at least 2:1 on the host's dark and light nodes. */
export const COLORS = ["#0068ff", "#ff7480", "#00b9b9", "#a28b00", "#a22eae", "#c51723", "#00745d", "#ae8bff"];

const NEVER = 2, BYPASS = 4, SUBGRAPH_INPUT = -10;
const FILES = ["expert", "ckpt_name", "unet_name"];

/** The node on the root graph's way that shows this subgraph; undefined for the root graph. */
function instance(graph, within = graph.rootGraph) {
    if (!within || graph === within) return;
    for (const place of [within, ...(within.subgraphs?.values() ?? [])])
        for (const node of place.nodes) if (node.subgraph === graph) return node;
}

/**
 * Where an input's value is made, as the prompt will have it: through reroutes, bypassed nodes, and in and out of subgraphs.
 * {node, slot}: an output; {widget}: a value on a subgraph's node; undefined: nothing arrives.
 * path: the subgraph nodes passed through, the innermost last; a subgraph shown twice counts as its first showing where it is not known.
 */
export function origin(node, index, path = [], type = node.inputs[index]?.type, depth = 0) {
    const link = node.graph?.getLink?.(node.inputs[index]?.link);
    if (!link || depth > 100) return;                       // a wire in a circle: the host says so when it is queued
    if (link.origin_id === SUBGRAPH_INPUT) {
        const outer = path.at(-1) ?? instance(node.graph);
        if (!outer) return;
        if (outer.inputs[link.origin_slot]?.link != null) return origin(outer, link.origin_slot, path.slice(0, -1), type, depth + 1);
        const widget = outer.getWidgetFromSlot?.(outer.inputs[link.origin_slot]);
        return widget && {widget};
    }
    let from = node.graph.getNodeById(link.origin_id), slot = link.origin_slot;
    while (from?.subgraph && from.mode !== NEVER && from.mode !== BYPASS) {
        const inner = from.subgraph.getLink(from.subgraph.outputNode.slots[slot]?.linkIds[0]);
        if (!inner) return;
        path = [...path, from];
        if (inner.origin_id === SUBGRAPH_INPUT) return origin(from, inner.origin_slot, path.slice(0, -1), type, depth + 1);
        [from, slot] = [from.subgraph.getNodeById(inner.origin_id), inner.origin_slot];
    }
    if (!from || from.mode === NEVER) return;
    if (from.mode === BYPASS || from.isVirtualNode) {
        const same = i => from.inputs?.[i]?.type === type || from.isVirtualNode;
        const through = from.inputs?.length > slot && same(slot) ? slot : from.inputs?.findIndex((_, i) => same(i)) ?? -1;
        return through < 0 ? undefined : origin(from, through, path, type, depth + 1);
    }
    return {node: from, slot, path};
}

/** What stands in a widget, or arrives there from a subgraph's node; undefined where only a run can tell. */
function words({node, path}, name) {
    const index = node.inputs?.findIndex(input => input.widget?.name === name) ?? -1;
    if (node.inputs?.[index]?.link != null) return origin(node, index, path)?.widget?.value;
    return node.widgets?.find(widget => widget.name === name)?.value;
}

/** "faces_hair" of builtin/faces_hair.safetensors: the file at the end of the model wires. */
function file(at) {
    for (let steps = 0; at?.node && steps < 20; steps++) {
        for (const name of FILES) {
            const value = words(at, name);
            if (typeof value === "string" && value) return value.split(/[\\/]/).pop().replace(/\.\w+$/, "");
        }
        const index = at.node.inputs?.findIndex(input => input.type === "MODEL") ?? -1;
        at = index < 0 ? undefined : origin(at.node, index, at.path);
    }
}

/**
 * The experts of a node with inputs expert_1 ... expert_8, in slot order, as the prompt will have them (not the muted and bypassed):
 * [{slot, name, color, key}]; equal keys are one and the same expert.
 */
export function experts(node) {
    return (node.inputs ?? []).flatMap((input, index) => {
        const slot = Number(/^expert_(\d)$/.exec(input.name)?.[1]);
        const at = slot ? origin(node, index) : undefined;
        if (!at?.node) return [];
        const name = String(words(at, "name") ?? "").trim() || file(at) || at.node.title || say`expert ${slot}`;
        return [{slot, name, color: COLORS[slot - 1], key: [...at.path, at.node].map(n => n.id).join(":") + "/" + at.slot}];
    });
}
