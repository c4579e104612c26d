/** Where the values of a node's inputs are made, as the prompt will have it. */
const NEVER = 2, BYPASS = 4;                                            // modes of a node
const PRIMITIVE = /^Primitive(Float|Int|String|StringMultiline|Boolean)$/;

/** Whether an id is that of a subgraph's own input node: a number in older frontends, a text in newer ones. */
function isSubgraphInput(id) {
    return Number(id) === -10;
}

function isSubgraphOutput(id) {
    return Number(id) === -20;
}

/** The node on the root graph's way that shows this subgraph; undefined for the root graph. */
function instance(graph) {
    const root = graph.rootGraph;
    if (!root || graph === root) return;
    for (const place of [root, ...(root.subgraphs?.values() ?? [])]) {
        const node = place.nodes.find(node => node.subgraph === graph);
        if (node) return node;
    }
}

/** The input of a bypassed or virtual node that stands in for its output `slot`; -1 where there is none. */
function passedInput(node, slot, type) {
    const fits = input => input?.type === type || node.isVirtualNode;
    const inputs = node.inputs ?? [];
    if (inputs.length > slot && fits(inputs[slot])) return slot;
    return inputs.findIndex(fits);
}

/**
 * Where an input's value is made: through reroutes, bypassed nodes, and in and out of subgraphs.
 * {node, slot, path}: an output; {widget}: a value on a subgraph's node; undefined: nothing arrives.
 * path: the subgraph nodes passed through, the innermost last; a subgraph shown twice counts as its first showing
 * where it is not known.
 */
export function origin(node, index, path = [], type = node.inputs[index]?.type, depth = 0) {
    const link = node.graph?.getLink?.(node.inputs[index]?.link);
    if (!link || depth > 100) return;                   // a wire in a circle: the host says so when it is queued
    const further = (next, input, way) => origin(next, input, way, type, depth + 1);
    if (isSubgraphInput(link.origin_id)) {
        const outer = path.at(-1) ?? instance(node.graph);
        if (!outer) return;
        const input = outer.inputs[link.origin_slot];
        if (input?.link != null) return further(outer, link.origin_slot, path.slice(0, -1));
        const widget = outer.getWidgetFromSlot?.(input);
        return widget && {widget};
    }
    let from = node.graph.getNodeById(link.origin_id), slot = link.origin_slot;
    while (from?.subgraph && from.mode !== NEVER && from.mode !== BYPASS) {
        const inner = from.subgraph.getLink(from.subgraph.outputNode.slots[slot]?.linkIds[0]);
        if (!inner) return;
        if (isSubgraphInput(inner.origin_id)) return further(from, inner.origin_slot, path);
        path = [...path, from];
        [from, slot] = [from.subgraph.getNodeById(inner.origin_id), inner.origin_slot];
    }
    if (!from || from.mode === NEVER) return;
    if (from.type === "PrimitiveNode") return {widget: from.widgets?.[0]};  // the page's own: its value is put in here
    if (from.mode === BYPASS || from.isVirtualNode) {
        const through = passedInput(from, slot, type);
        return through < 0 ? undefined : further(from, through, path);
    }
    return {node: from, slot, path};
}

/** The nodes that what a node makes goes to, through whatever hands it on: {node, path}. */
export function* following(node, path = [], depth = 0) {
    for (const output of node.outputs ?? []) yield* arriving(node.graph, output.links, path, depth);
}

function* arriving(graph, ids, path, depth) {
    for (const id of depth < 40 ? ids ?? [] : []) {
        const link = graph?.getLink?.(id);
        if (!link) continue;
        if (isSubgraphOutput(link.target_id)) {
            const outer = path.at(-1) ?? instance(graph), links = outer?.outputs?.[link.target_slot]?.links;
            yield* arriving(outer?.graph, links, path.slice(0, -1), depth + 1);
            continue;
        }
        const next = graph.getNodeById(link.target_id);
        if (next?.subgraph) {
            const inner = next.subgraph, {linkIds} = inner.inputNode.slots[link.target_slot] ?? {};
            yield* arriving(inner, linkIds, [...path, next], depth + 1);
        } else if (next) {
            yield {node: next, path};
            yield* following(next, path, depth + 1);
        }
    }
}

/**
 * Where a value is set that stands in a widget, or arrives there from a primitive or a subgraph's node; undefined where
 * only a run can tell.
 */
export function widgetBehind(node, name, path) {
    const index = node.inputs?.findIndex(input => input.widget?.name === name) ?? -1;
    if (node.inputs?.[index]?.link == null) return node.widgets?.find(widget => widget.name === name);
    const at = origin(node, index, path);
    if (PRIMITIVE.test(at?.node?.type)) return widgetBehind(at.node, "value", at.path);
    return at?.widget;
}

/** That value. */
export function widgetValue(node, name, path) {
    return widgetBehind(node, name, path)?.value;
}
