/** What the pack asks of the host's page, and how it listens to it. */
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";

/** The pack's python_module, from /extensions/PACK/js/host.js. */
const PACK = `custom_nodes.${decodeURIComponent(new URL(import.meta.url).pathname.split("/").at(-3))}`;
const TOAST_STAYS = 20000;                                              // milliseconds

/** Whether the newer canvas ("Vue nodes") draws the nodes. */
export function vueNodes() {
    return Boolean(globalThis.LiteGraph?.vueNodesMode);
}

/** Whether pointers only move the canvas at the moment, as while Space is held. */
export function canvasIsLocked() {
    return app.canvas.read_only;
}

function changeTracker() {
    return app.extensionManager?.workflow?.activeWorkflow?.changeTracker;
}

/** What has changed since the last call becomes one step of undo. */
export function markUndoStep() {
    const tracker = changeTracker();
    if (tracker?.captureCanvasState) tracker.captureCanvasState();
    else tracker?.checkState();                                         // its name in older frontends
}

/** Undoes or redoes, as the keys of a keyboard event say. */
export function undoOrRedo(event) {
    changeTracker()?.undoRedo(event);
}

/** The node of an execution id: "5", or "12:5" inside the subgraph of node 12. */
export function nodeOf(id) {
    const path = String(id).split(":"), last = path.pop();
    let graph = app.rootGraph ?? app.graph;
    for (const step of path) graph = graph?.getNodeById(step)?.subgraph;
    return graph?.getNodeById(last);
}

/** What the page keeps of a node's last run, as it keeps the picture of Save Image: through undo, and with its tab. */
export function outputsOf(node) {
    const {graph} = node;
    if (!graph) return;
    const isRoot = graph === (graph.rootGraph ?? graph);
    return app.nodeOutputs[isRoot ? node.id : `${graph.id}:${node.id}`];
}

/** What make() gives, without the node listing the DOM widget that it adds: the page draws that all the same. */
export function unlisted(node, make) {
    const {addCustomWidget} = node;
    node.addCustomWidget = widget => widget;
    try {
        return make();
    } finally {
        node.addCustomWidget = addCustomWidget;
    }
}

/**
 * Lets make(source, shown) give a DOM widget for a widget that is promoted to a subgraph's node, in the place of what
 * the page shows; shown.value is the value that the page keeps for it. Returns whether the page can do so: older
 * frontends copy the source, and have no panel of what is within.
 */
export function onPromoted(host, make) {
    const usual = host.createPromotedHostWidget;
    if (!usual) return false;
    host.createPromotedHostWidget = (input, id, source) => {
        const own = usual.call(host, input, id, source);
        if (own || host.graph?.getNodeById(host.id) !== host) return own;       // the page asks again once it is there
        return unlisted(host, () => make(source, host._projectPromotedWidget(input)));
    };
    return true;
}

/** What else a node shows is exposed on the face of a subgraph's node, by the eyes of its panel: [[node id, name]]. */
export function exposedOn(host) {
    const exposures = host.serialize().properties?.previewExposures ?? [];  // older frontends move the widget itself
    return exposures.map(({sourceNodeId, sourcePreviewName}) => [sourceNodeId, sourcePreviewName]);
}

/** Shows an error as a toast; the function that is returned takes it away again. */
export function toast(summary, detail) {
    const {toast} = app.extensionManager;
    if (toast.dismiss) {
        const id = toast.error(summary, {description: detail, duration: TOAST_STAYS});
        return () => toast.dismiss(id);
    }
    const message = {severity: "error", summary, detail, life: TOAST_STAYS};    // of older frontends
    toast.add(message);
    return () => toast.remove(message);
}

/** Whether a node is one of the pack's. */
export function isOurs(node) {
    return node?.constructor.nodeData?.python_module === PACK;
}

/** Calls change(error) with each error of a refused prompt's nodes, before the page shows them. */
export function onRefusal(change) {
    const {queuePrompt} = api;
    api.queuePrompt = async function (...values) {
        try {
            return await queuePrompt.apply(this, values);
        } catch (refusal) {
            for (const {errors} of Object.values(refusal?.response?.node_errors ?? {})) errors.forEach(change);
            throw refusal;
        }
    };
}

/** The node of an execution id, or the subgraph's node that it is in: whichever the graph that is shown has. */
export function shownAt(id) {
    let graph = app.rootGraph ?? app.graph;
    for (const step of String(id).split(":")) {
        const node = graph?.getNodeById(step);
        if (graph === app.canvas.graph) return node ?? undefined;
        graph = node?.subgraph;
    }
}

/** A box of the window in the units of the graph, so that it stays right while the canvas is moved. */
export function toGraph({left, top, width, height}) {
    const {ds, canvas} = app.canvas, origin = canvas.getBoundingClientRect();
    return [(left - origin.left) / ds.scale - ds.offset[0], (top - origin.top) / ds.scale - ds.offset[1],
        width / ds.scale, height / ds.scale];
}

/** A box of the graph in pixels of the window. */
export function toWindow([x, y, width, height]) {
    const {ds, canvas} = app.canvas, origin = canvas.getBoundingClientRect();
    return {left: origin.left + (x + ds.offset[0]) * ds.scale, top: origin.top + (y + ds.offset[1]) * ds.scale,
        width: width * ds.scale, height: height * ds.scale};
}

/** [left, top, width, height] of a node on the canvas, its title included. */
export function boxOf(node) {
    const element = vueNodes() && document.querySelector(`[data-node-id="${node.id}"]`);
    return element ? toGraph(element.getBoundingClientRect()) : [...node.boundingRect];
}

/** Whether some of a node is seen in the window. */
export function inView(node) {
    if (!node) return false;
    const {ds, canvas} = app.canvas, [left, top, width, height] = boxOf(node);
    const x = (left + ds.offset[0]) * ds.scale, y = (top + ds.offset[1]) * ds.scale;
    return x < canvas.clientWidth && y < canvas.clientHeight && x + width * ds.scale > 0 && y + height * ds.scale > 0;
}

/**
 * The newer canvas keeps what it shows of a node while the number stays, as in undo: the element of the node that is
 * gone makes way. Both elements match the selector.
 */
export function mount(node, element, selector) {
    if (node.graph !== app.canvas.graph) return;
    const shown = document.querySelector(`[data-node-id="${node.id}"] ${selector}`);
    if (shown && shown !== element) shown.replaceWith(element);
}

/** Says that a node has other inputs: the newer canvas of older frontends would not see it. */
export function inputsChanged(node) {
    const {INPUT = 1} = globalThis.LiteGraph ?? {};
    node.graph.trigger?.("node:slot-links:changed", {nodeId: node.id, slotType: INPUT});
    node.setDirtyCanvas(true, true);
}

/** Calls after(...values) whenever object[name](...values) has been called; the function may be missing so far. */
export function chain(object, name, after) {
    const before = object[name];
    object[name] = function (...values) {
        const result = before?.apply(this, values);
        after(...values);
        return result;
    };
}

/** Keeps a node, or what belongs to it, in a set while it is in a graph. */
export function keepIn(set, node, own = node) {
    chain(node, "onAdded", () => set.add(own));
    chain(node, "onRemoved", () => set.delete(own));
}

function descriptor(object, name) {
    for (let owner = object; owner; owner = Object.getPrototypeOf(owner)) {
        const found = Object.getOwnPropertyDescriptor(owner, name);
        if (found) return found;
    }
}

/** Calls changed() whenever a widget's value is set, by whomever: a typed text, a loaded file, a script. */
export function onValue(widget, changed) {
    const found = descriptor(widget, "value");
    let own = widget.value;                                             // where it is a plain property
    Object.defineProperty(widget, "value", {
        configurable: true,
        enumerable: true,
        get: () => (found?.get ? found.get.call(widget) : own),
        set: value => {
            if (found?.set) found.set.call(widget, value);
            else own = value;
            changed();
        },
    });
    chain(widget, "callback", () => changed());
}
