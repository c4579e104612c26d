/**
 * The reliability pad on ReliabilityMixer: it edits the node's ordinary `reliabilities` text, and is itself neither
 * saved nor queued.
 */
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { addStylesheet } from "./dom.js";
import { chain, mount, onValue } from "./host.js";
import { MARGIN, Pad } from "./pad/pad.js";
import { Reliabilities } from "./pad/reliabilities.js";

const pads = new Set();                                                 // of the nodes that are in a graph

/** Puts a pad on a mixer, last among its widgets and not serialised: saved values keep their places. */
function add(node, text) {
    const reliabilities = new Reliabilities(node, text);
    const pad = new Pad(reliabilities);
    const refresh = () => reliabilities.refresh();
    const widget = node.addDOMWidget("reliability_pad", "mcdm_reliability_pad", pad.element, {
        serialize: false,
        margin: MARGIN,
        getMinHeight: () => pad.height(),
        getValue: () => undefined,
        setValue: () => {},
    });
    widget.serialize = false;
    onValue(text, refresh);
    chain(node, "onConnectionsChange", refresh);
    chain(node, "onConfigure", () => {
        refresh();
        pad.fit();
    });
    chain(node, "onAdded", () => {
        pads.add(pad);
        refresh();
    });
    chain(node, "onRemoved", () => pads.delete(pad));
    refresh();
}

app.registerExtension({
    name: "mcdm.reliability_pad",
    init() {
        addStylesheet("reliability_pad.css");
        // A name, a bypass, a wire further up.
        api.addEventListener("graphChanged", () => pads.forEach(pad => pad.reliabilities.refresh()));
    },
    nodeCreated(node) {
        if (node.comfyClass !== "ReliabilityMixer") return;
        const text = node.widgets?.find(widget => widget.name === "reliabilities");
        if (text) add(node, text);
    },
    afterConfigureGraph() {
        for (const pad of pads) {
            pad.reliabilities.refresh();
            mount(pad.node, pad.element, ".mcdm-pad");
        }
    },
});
