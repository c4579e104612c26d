/**
 * The reliability pad: the widget of ReliabilityMixer's input `reliabilities`. Its value is the text, which is all that
 * files and prompts hold. Where that input is promoted, a pad stands on the subgraph's node.
 */
import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";
import { addStylesheet } from "./dom.js";
import { chain, keepIn, onPromoted, onValue, unlisted } from "./host.js";
import { Mix } from "./pad/mix.js";
import { MARGIN, Pad } from "./pad/pad.js";

const NODE = "ReliabilityMixer", TEXT = "reliabilities", TYPE = "mcdm_reliability_pad";

const homes = new Set();                                                // nodes in a graph that may have pads
const padOf = new WeakMap();                                            // widget -> pad
let hasPanel = false;                                                   // of the widgets within a subgraph

function pads() {
    const widgets = [...homes].flatMap(home => home.widgets ?? []);
    return widgets.map(widget => padOf.get(widget)).filter(Boolean);
}

function refresh() {
    for (const pad of pads()) pad.mix.refresh();
}

/**
 * A pad as a widget of a node: of the mixer, or of a subgraph's node, with the path of those from there to the mixer.
 * text: {value, label}; the value is what the widget reads and sets.
 */
function add(home, name, mixer, path, text) {
    const mix = new Mix(home, mixer, path), pad = new Pad(mix, name);
    const widget = mix.widget = home.addDOMWidget(name, TYPE, pad.element, {
        margin: MARGIN,
        getMinHeight: () => pad.height(),
        getValue: () => text.value,
        setValue: value => {
            text.value = value;
            mix.refresh();
        },
    });
    padOf.set(widget, pad);
    widget.label = text.label;
    // The panel draws what is within a subgraph by its type alone.
    const isWithin = () => hasPanel && home.graph !== app.canvas.graph;
    Object.defineProperty(widget, "type", {get: () => (isWithin() ? "text" : TYPE), set() {}});
    // The page would hide it where a wire brings the text, and show it on where it is no longer promoted.
    Object.defineProperty(widget, "connectionSuppressed", {get: () => false, set() {}});
    widget.isVisible = () => home.widgets.includes(widget) && home.isWidgetVisible(widget);
    widget.createCopyForNode = host => unlisted(host, () => promoted(widget, host, {...text, name}));
    mix.refresh();
    return widget;
}

/** The pad of a subgraph's node, for one within. shown: {name, value, label}. */
function promoted(source, host, shown) {
    const {mixer, path} = padOf.get(source)?.mix ?? {};
    return mixer && add(host, shown.name, mixer, [host, ...path], shown);
}

/** The pad takes the place of a mixer's text: saved values keep theirs. */
function replace(node, text) {
    const {value, label, tooltip} = text, widget = add(node, TEXT, node, [], {value, label}), {mix} = padOf.get(widget);
    widget.tooltip = tooltip;
    node.widgets.splice(node.widgets.indexOf(text), 1, node.widgets.pop());
    const meaning = node.widgets.find(widget => widget.name === "meaning");
    if (meaning) onValue(meaning, () => mix.refresh());
    for (const event of ["onConnectionsChange", "onAdded"]) chain(node, event, () => mix.refresh());
    chain(node, "onConfigure", info => padOf.get(widget).configured(info));
}

app.registerExtension({
    name: "mcdm.reliability_pad",
    init() {
        addStylesheet("reliability_pad.css");
        // A name, a bypass, a weight, a wire further up.
        api.addEventListener("graphChanged", refresh);
    },
    nodeCreated(node) {
        const text = node.comfyClass === NODE && node.widgets?.find(widget => widget.name === TEXT);
        if (!text && !node.subgraph) return;
        keepIn(homes, node);
        if (text) return replace(node, text);
        hasPanel = onPromoted(node, (source, shown) => promoted(source, node, shown));
    },
    setup() {
        // While a weight is dragged, the canvas is drawn and nothing else is told.
        chain(app.canvas, "onDrawForeground", refresh);
    },
    afterConfigureGraph() {
        refresh();
        for (const pad of pads()) pad.mount();
    },
});
