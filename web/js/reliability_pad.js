/**
 * The reliability pad on ReliabilityMixer: it edits the node's ordinary `reliabilities` text and its `meaning`, and is
 * itself neither saved nor queued.
 */
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { addStylesheet } from "./dom.js";
import { chain, mount, onValue } from "./host.js";
import { Mix } from "./pad/mix.js";
import { MARGIN, Pad } from "./pad/pad.js";
import { TERMS } from "./pad/terms.js";

const pads = new Set();                                                 // of the nodes that are in a graph

/** Puts a pad on a mixer, last among its widgets and not serialised: saved values keep their places. */
function add(node, text, meaning) {
    const mix = new Mix(node, text, meaning);
    const pad = new Pad(mix);
    const refresh = () => {
        mix.refresh();
        widget.label = TERMS[mix.meaning].group();                      // what app mode calls it
    };
    const widget = node.addDOMWidget("reliability_pad", "mcdm_reliability_pad", pad.element, {
        serialize: false,
        margin: MARGIN,
        getMinHeight: () => pad.height(),
        getValue: () => undefined,
        setValue: () => {},
    });
    widget.serialize = false;
    for (const own of [text, meaning]) if (own) onValue(own, refresh);
    chain(node, "onConnectionsChange", refresh);
    chain(node, "onConfigure", info => pad.configured(info));
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
        // A name, a bypass, a weight, a wire further up.
        api.addEventListener("graphChanged", () => pads.forEach(pad => pad.mix.refresh()));
    },
    nodeCreated(node) {
        if (node.comfyClass !== "ReliabilityMixer") return;
        const own = name => node.widgets?.find(widget => widget.name === name);
        if (own("reliabilities")) add(node, own("reliabilities"), own("meaning"));
    },
    setup() {
        // While a weight is dragged, the canvas is drawn and nothing else is told.
        chain(app.canvas, "onDrawForeground", () => pads.forEach(pad => pad.mix.refresh()));
    },
    afterConfigureGraph() {
        for (const pad of pads) {
            pad.mix.refresh();
            mount(pad.node, pad.element, ".mcdm-pad");
        }
    },
});
